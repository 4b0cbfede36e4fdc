"""How much the server takes, all limits in one place; and what is said when it is too much."""

from dataclasses import dataclass

MEGABYTE = 1_000_000


class Refused(Exception):  # noqa: N818 (no fault of ours)
    """A request that is not answered as asked: a status, and one sentence for the client."""

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, headers or {}


def busy(sentence: str) -> Refused:
    """Return the refusal of a server that has too much to do: try again in a second."""
    return Refused(503, sentence, {"Retry-After": "1"})


@dataclass(frozen=True)
class Limits:
    """What one request may ask for, and all together."""

    queue_images: int = 1024  # read and not yet answered, of all clients; more are refused with 503
    body_bytes: int = 32 * MEGABYTE  # of one request
    file_bytes: int = 16 * MEGABYTE  # of one image file
    json_bytes: int = 4 * MEGABYTE  # of an array as JSON: parsed, it takes fifty times that
    bodies_bytes: int = 256 * MEGABYTE  # of all requests that are being read or answered
    images: int = 256  # of one request
    explained: int = 16  # images of one request to explain
    image_pixels: int = 50_000_000  # width × height of one image, by its header, before it is decoded
    body_seconds: float = 30.0  # for a client to send its body
    answer_seconds: float = 30.0  # from the body's end to the answer
    decode_seconds: float = 15.0  # for one large image
    header_seconds: float = 10.0  # for a client to send a request's header
    stalled_seconds: float = 30.0  # for a client to take an answer
    stop_seconds: float = 30.0  # for what was taken, when the server is told to stop
    connections: int = 4096
    batch_images: int = 256  # that the network sees at a time
    batch_wait: float = 0.005  # seconds that the first image of a batch waits for others on their way
