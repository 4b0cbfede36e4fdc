"""Headers of every answer, so that nothing of it is executed, framed, sniffed or read by another site."""

Pairs = list[tuple[bytes, bytes]]

# 'wasm-unsafe-eval' lets the page run its model; no script or style but the page's own files.
_PAGE_CSP = (
    b"default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    b"img-src 'self' data: blob:; connect-src 'self'; worker-src 'self'; font-src 'self'; "
    b"manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_API_CSP = b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"

_ALWAYS: Pairs = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]
PAGE: Pairs = [*_ALWAYS, (b"content-security-policy", _PAGE_CSP), (b"cache-control", b"no-cache")]
API: Pairs = [*_ALWAYS, (b"content-security-policy", _API_CSP), (b"cache-control", b"no-store")]

_API_PATHS = ("/v1/", "/healthz", "/metrics", "/openapi.json", "/config.json")


def security_headers(path: str) -> Pairs:
    """Return the headers that an answer to `path` gets besides its own."""
    return API if path.startswith(_API_PATHS) else PAGE
