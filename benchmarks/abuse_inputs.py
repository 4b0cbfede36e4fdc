"""Broken and hostile requests, drawn from a seed: files, forms, arrays, and bytes that are no HTTP."""

from __future__ import annotations

import io
import json
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

HOST = b"Host: localhost\r\nConnection: close\r\n"
FORM = b"multipart/form-data; boundary=edge"


def seeds() -> list[tuple[str, bytes]]:
    """Return valid files of all formats and several modes: what is mutated."""
    generator = np.random.default_rng(0)
    colour = Image.fromarray(generator.integers(0, 256, (40, 30, 3), np.uint8))
    grey = colour.convert("L")
    large = colour.resize((320, 300))  # beyond what is decoded at once
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = [grey.rotate(angle) for angle in (90, 180)]
    made: list[tuple[str, Image.Image, dict[str, Any]]] = [
        ("png", grey, {}),
        ("png", colour.convert("RGBA"), {}),
        ("png", colour.convert("P"), {"transparency": 3}),
        ("png", Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), {}),
        ("png", large, {}),
        ("jpeg", colour, {"exif": exif}),
        ("jpeg", large, {"progressive": True}),
        ("jpeg", colour.convert("CMYK"), {}),
        ("gif", grey, {"save_all": True, "append_images": frames}),
        ("tiff", colour, {"compression": "tiff_lzw"}),
        ("tiff", grey, {"save_all": True, "append_images": frames}),
        ("tiff", large, {"compression": "jpeg"}),
        ("webp", colour, {"exif": exif}),
        ("webp", grey, {"save_all": True, "append_images": frames}),
        ("bmp", colour, {}),
        ("ppm", grey, {}),
    ]
    found = []
    for kind, image, options in made:
        stream = io.BytesIO()
        image.save(stream, kind, **options)
        found.append((kind, stream.getvalue()))
    return found


def mutated(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """Return a file with a few faults."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        if not data:
            break
        at = draw.randrange(len(data)) if draw.random() < 0.6 else draw.randrange(min(64, len(data)))
        kind = draw.randrange(9)
        if kind == 0:
            data[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            data[at] = draw.choice((0, 1, 127, 128, 255))
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            del data[at : at + draw.randrange(1, 40)]
        elif kind == 4:
            data[at:at] = draw.randbytes(draw.randrange(1, 40))
        elif kind == 5:
            data[at : at + 4] = draw.choice(
                (b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f")
            )
        elif kind == 6:
            start = draw.randrange(len(data))
            data[at:at] = data[start : start + draw.randrange(1, 400)]
        elif kind == 7:
            other = draw.choice(others)
            data[at:] = other[draw.randrange(len(other)) :]
        else:
            data += draw.choice((b"<script>alert(1)</script>", b"PK\x03\x04", draw.randbytes(200)))
    return bytes(data)


def png_of_size(draw: random.Random) -> bytes:
    """Return a PNG whose header declares any size, its checksum right."""
    sides = (0, 1, 2, 28, 255, 4000, 7071, 20_000, 65_535, 2**31 - 1, 2**32 - 1)
    width, height = draw.choice(sides), draw.choice(sides)
    depth, colour = draw.choice((1, 2, 4, 8, 16)), draw.choice((0, 2, 3, 4, 6))
    rows = zlib.compress(bytes(draw.choice((0, 10, 1000, 1_000_000))), 9)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, draw.randrange(2)))]
    parts += [(b"IDAT", rows)] * draw.choice((0, 1, 1, 3)) + [(b"IEND", b"")]
    chunks = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def as_form(files: list[bytes], draw: random.Random) -> bytes:
    """Return a sound form of these files, their names any."""
    names = ("a.png", "../../etc/passwd", "<b>", "x" * 500, "é\u202e", "a\\b", "", ".", "a;b", "%00", "con")
    body = b""
    for content in files:
        name = draw.choice(names).encode()
        body += b'--edge\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n\r\n'
        body += content + b"\r\n"
    return body + b"--edge--\r\n"


def request(body: bytes, kind: bytes = FORM, path: bytes = b"/v1/predict", more: bytes = b"") -> bytes:
    """Return a whole HTTP request."""
    length = str(len(body)).encode()
    head = b"POST " + path + b" HTTP/1.1\r\n" + HOST + more + b"Content-Type: " + kind
    return head + b"\r\nContent-Length: " + length + b"\r\n\r\n" + body


class Inputs:
    """Draws requests of each kind."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.files = [content for _, content in seeds()]
        self.kinds: dict[str, Callable[[], bytes]] = {
            "image files": self.image,
            "image headers": self.header,
            "forms": self.form,
            "arrays": self.array,
            "HTTP": self.http,
        }

    def image(self) -> bytes:
        """Return one to three mutated files."""
        draw = self.draw
        files = [mutated(draw.choice(self.files), self.files, draw) for _ in range(draw.choice((1, 1, 1, 3)))]
        return request(
            as_form(files, draw), path=draw.choice((b"/v1/predict", b"/v1/predict", b"/v1/explain"))
        )

    def header(self) -> bytes:
        """Return a PNG of any declared size."""
        return request(as_form([png_of_size(self.draw)], self.draw))

    def form(self) -> bytes:
        """Return a form with faults in its own bytes, or another Content-Type."""
        draw = self.draw
        body = mutated(as_form([draw.choice(self.files[:4])], draw), self.files, draw)
        kinds = (
            FORM,
            FORM,
            FORM,
            b"multipart/form-data",
            b"multipart/form-data; boundary=\xff",
            b"",
            b"text/html",
        )
        return request(
            body, draw.choice((*kinds, FORM + b"; charset=utf-16", b"multipart/mixed; boundary=edge"))
        )

    def array(self) -> bytes:
        """Return JSON with faults in its values, shapes or bytes."""
        draw = self.draw
        values: tuple[Any, ...] = (0, 255, 256, -1, 1.5, True, None, "7", [], {}, 10**30, float("nan"))
        side = draw.choice((1, 2, 28))
        nested: Any = [[[draw.randrange(256) for _ in range(side)] for _ in range(side)]]
        if draw.random() < 0.5:
            nested[0][draw.randrange(side)][draw.randrange(side)] = draw.choice(values)
        if draw.random() < 0.3:
            nested = draw.choice(
                (nested * 300, [nested], [[nested]], nested[0], [*nested, []], {"a": nested})
            )
        text = json.dumps({draw.choice(("images", "images", "images", "image")): nested}).encode()
        if draw.random() < 0.4:
            text = mutated(text, [b"[" * 5000, b'{"images":' * 500, b"\xff" * 50], draw)
        return request(text, draw.choice((b"application/json", b"application/json; charset=utf-16")))

    def http(self) -> bytes:
        """Return bytes that are hardly HTTP."""
        draw = self.draw
        body = as_form([self.files[0]], draw)
        mores = (
            b"X: " + b"y" * draw.choice((10, 5000, 70_000)) + b"\r\n",
            *(
                b"Content-Length: " + length + b"\r\n"
                for length in (b"5", b"+5", b"0x5", b"5,5", b"", b"9" * 30)
            ),
            *(
                b"Transfer-Encoding: " + c + b"\r\n"
                for c in (b"chunked", b"identity, chunked", b"xchunked", b"\x0b")
            ),
            *(b"Host: " + host + b"\r\n" for host in (b"localhost", b"[::1].evil.com", b"a@b", b"[::1")),
            b"X: a\nContent-Length: 5\r\n",
            b"X:\r\n folded\r\n",
            b"Expect: 100-continue\r\n",
            b"Origin: http://evil.example\r\n",
            b"Authorization: Bearer \xff\r\n",
            b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
            b"Content-Encoding: gzip\r\n",
            b"Range: bytes=0-\r\n",
            b"\0: \r\n",
            b"Cookie: " + b"a=b; " * 500 + b"\r\n",
        )
        paths = (
            b"/v1/predict",
            b"/v1/predict?" + b"q" * 3000,
            b"/%00",
            b"/../../etc/passwd",
            b"*",
            b"/v1/predict/",
        )
        whole = request(body, path=draw.choice(paths), more=draw.choice(mores))
        if draw.random() < 0.3:
            method = draw.choice((b"GET", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"X" * 50))
            whole = method + whole[4:]
        return mutated(whole, [whole], draw) if draw.random() < 0.5 else whole
