"""What the server counts, for Prometheus: in a registry of its own, so that two servers do not add up."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from euinet.predict.rows import Row

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_P_VALUES = (0.001, 0.005, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Methods and paths are a client's to choose: others share one name, so that nobody can fill the memory.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_PATHS = frozenset(
    {
        "/v1/predict",
        "/v1/explain",
        "/v1/model",
        "/v1/record",
        "/healthz",
        "/metrics",
        "/docs",
        "/openapi.json",
    }
)


class Meters:
    """The counters, gauges and histograms of one server."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._requests = Counter(
            "euinet_requests", "Requests answered.", ["method", "path", "status"], registry=registry
        )
        self._seconds = Histogram(
            "euinet_request_seconds",
            "From a request's header to the end of its answer.",
            ["path"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._images = Counter("euinet_images", "Images by their answer.", ["answer"], registry=registry)
        self._p_value = Histogram(
            "euinet_p_value",
            "p-values of the images that were answered; uniform for images like the calibration images.",
            buckets=_P_VALUES,
            registry=registry,
        )
        self.batch = Histogram(
            "euinet_batch_images", "Images answered in one batch.", buckets=_BATCH, registry=registry
        )
        self.lost = Counter(
            "euinet_inbox_lost", "Images that the inbox was too slow to take.", registry=registry
        )
        self._answers = {name: self._images.labels(name) for name in ("accepted", "rejected", "unreadable")}
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        ProcessCollector(registry=registry)

    def gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Show what `value` returns whenever the metrics are read."""
        Gauge(name, text, registry=self.registry).set_function(value)

    def request(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        key = (method if method in _METHODS else "other", shown_path(path), status)
        found = self._known.get(key)
        if found is None:  # labels() takes a lock and checks each name
            found = self._known[key] = (
                self._requests.labels(key[0], key[1], str(status)),
                self._seconds.labels(key[1]),
            )
        found[0].inc()
        found[1].observe(seconds)

    def rows(self, rows: Sequence[Row]) -> None:
        """Count images that were answered."""
        for row in rows:
            if "error" in row:
                self._answers["unreadable"].inc()
                continue
            self._answers["rejected" if row["rejected"] else "accepted"].inc()
            if row["p_value"] is not None:
                self._p_value.observe(row["p_value"])

    def text(self) -> bytes:
        """Return all of it in Prometheus's format."""
        return generate_latest(self.registry)


def shown_path(path: str) -> str:
    """Return a request's path as it is counted: those with names in them by their beginning."""
    if path in _PATHS:
        return path
    return "/v1/inbox" if path.startswith("/v1/inbox") else "other"
