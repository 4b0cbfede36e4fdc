"""An app around a hand-made model, and files to send."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asgi_client import AppClient
from PIL import Image

from euinet.explain import Explainer
from euinet.page.facts import model_facts
from euinet.serve.app import Service
from euinet.serve.http.access import Access
from euinet.serve.http.limits import Limits
from euinet.serve.served import Served
from watched import Watched


@pytest.fixture
def model() -> Watched:
    return Watched()


@pytest.fixture
def make_service(model: Watched) -> Iterator[Callable[..., Service]]:
    """make_service(queue_images=4, token=b"…", hosts={"localhost"}) → a service that is closed afterwards."""
    made = []

    def make(token: bytes | None = None, hosts: set[str] | None = None, **limits: Any) -> Service:
        served = Served(model, model_facts(model, model.name), Explainer(model))
        access = Access(None if hosts is None else frozenset(hosts), token)
        made.append(Service(served, access, Limits(**limits)))
        return made[-1]

    yield make
    model.go_on.set()
    for service in made:
        service.close()


@pytest.fixture
def client(make_service: Callable[..., Service]) -> AppClient:
    return AppClient(make_service().app)


@pytest.fixture(scope="session")
def picture() -> Callable[..., bytes]:
    """picture(60, "jpeg", size=(40, 30)) → an image file of one grey."""

    def make(value: int = 60, kind: str = "png", size: tuple[int, int] = (4, 4), **options: Any) -> bytes:
        stream = io.BytesIO()
        Image.new("L", size, value).save(stream, kind, **options)
        return stream.getvalue()

    return make


@pytest.fixture(scope="session")
def form() -> Callable[..., tuple[bytes, dict[str, str]]]:
    """form(content, name="a.png") → a body with one file, and its headers."""

    def make(content: bytes, name: str = "a.png", field: str = "file") -> tuple[bytes, dict[str, str]]:
        head = f'--edge\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
        body = head.encode() + content + b"\r\n--edge--\r\n"
        return body, {"Content-Type": "multipart/form-data; boundary=edge"}

    return make


@pytest.fixture
def folder_of_files(tmp_path: Path, picture: Callable[..., bytes]) -> Path:
    """Files of many kinds, as people have them."""
    folder = tmp_path / "arrived"
    folder.mkdir()
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (50, 70, 3), np.uint8)
    Image.fromarray(noise).save(folder / "colour.jpg")
    Image.fromarray(noise[..., 0]).save(folder / "grey.png")
    Image.fromarray(noise).resize((900, 700)).save(folder / "large.png")
    Image.fromarray(np.dstack([noise, noise[..., :1]])).save(folder / "transparent.png")
    Image.fromarray(noise[..., 0].astype(np.uint16) * 257).save(folder / "deep.tiff")
    frames = [Image.fromarray(noise[..., channel]) for channel in range(3)]
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:])
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(noise).save(folder / "turned.webp", exif=turned, lossless=True)
    (folder / "cut.png").write_bytes((folder / "large.png").read_bytes()[:20_000])
    (folder / "empty.png").write_bytes(b"")
    (folder / "page.jpg").write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>")
    return folder
