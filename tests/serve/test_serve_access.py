"""Who may ask, and what every answer says to browsers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgi_client import AppClient

from euinet.errors import UsageError
from euinet.serve.app import Service
from euinet.serve.http.access import Access, allowed_hosts, host_name, is_loopback
from euinet.serve.http.limits import Refused

TOKEN = b"a-long-random-text"
ALL = ["/", "/index.html", "/config.json", "/docs", "/docs.css", "/openapi.json", "/healthz", "/metrics"]
ALL += ["/v1/model", "/v1/record", "/nothing/here", "/../../etc/passwd", "/%2e%2e/pyproject.toml"]


@pytest.mark.parametrize("path", ALL)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "TRACE"])
def test_every_answer_has_the_headers_of_safety(client: AppClient, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code < 500
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    policy = dict(
        part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert not any("unsafe-inline" in value or "http" in value or "*" in value for value in policy.values())
    assert "access-control-allow-origin" not in answer.headers
    if path.startswith("/v1/"):
        assert policy.get("script-src") is None
        assert answer.headers["cache-control"] == "no-store"
    if answer.status_code >= 400 and method != "HEAD":
        assert list(answer.json()) == ["error"]


def test_methods_that_a_path_lacks_are_named(client: AppClient) -> None:
    wrong = client.get("/v1/predict")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert client.head("/healthz").status_code == 200


def test_files_outside_the_page_are_not_served(client: AppClient) -> None:
    for path in ("/../app.py", "/%2e%2e/%2e%2e/pyproject.toml", "/..%5c..%5cx", "//etc/passwd", "/page/../x"):
        assert client.get(path).status_code in (404, 405)


def test_the_page_comes_with_a_tag_and_says_what_serves_it(client: AppClient) -> None:
    config = client.get("/config.json")
    assert config.json() == {"backend": "server", "token_needed": False}
    again = client.get("/config.json", headers={"If-None-Match": config.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_token_is_needed_where_something_is_told_or_done(
    make_service: Callable[..., Service], picture: Callable[..., bytes]
) -> None:
    client = AppClient(make_service(token=TOKEN).app)
    files = {"file": ("a", picture())}
    for given in (None, "Bearer wrong", "Basic " + TOKEN.decode(), TOKEN.decode(), "Bearer", "Bearer é"):
        headers = {} if given is None else {"Authorization": given.encode("latin-1")}
        for answer in (
            client.post("/v1/predict", files=files, headers=headers),
            client.get("/v1/model", headers=headers),
            client.get("/v1/inbox", headers=headers),
            client.get("/metrics", headers=headers),
        ):
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "Authorization: Bearer" in answer.json()["error"]
    right = {"Authorization": "Bearer " + TOKEN.decode()}
    assert client.post("/v1/predict", files=files, headers=right).status_code == 200
    assert client.get("/metrics", headers=right).status_code == 200
    assert client.get("/config.json").json()["token_needed"] is True
    assert client.get("/healthz").status_code == 200
    operations = client.get("/openapi.json").json()["paths"]
    assert operations["/v1/predict"]["post"]["security"] == [{"token": []}]
    assert "security" not in operations["/healthz"]["get"]


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Origin": "http://testserver"}, True),
        ({"Origin": "https://testserver"}, True),
        ({"Origin": "HTTP://TestServer"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "http://testserver:8001"}, False),
        ({"Origin": "http://testserver.evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "file://"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "http://testserver", "Sec-Fetch-Site": "cross-site"}, False),
    ],
)
def test_other_sites_may_not_write(
    client: AppClient, picture: Callable[..., bytes], headers: dict[str, str], allowed: bool
) -> None:
    answer = client.post("/v1/predict", files={"file": ("a", picture())}, headers=headers)
    assert answer.status_code == (200 if allowed else 403)
    assert client.get("/v1/model", headers=headers).status_code == 200  # which they cannot read


FOREIGN = [  # or no name at all; each but the plain ones was taken for one of ours by some parser
    "[::1].evil.com", "[::1]evil.com", "[::1]:80.evil.com", "[::1]:80:80", "[::1]:", "[::1", "::1]",
    "[[::1]]",
    "[::1]@evil.com", "[::1%25lo]", "[::1%lo]", "[fe80::1%25eth0]", "[::ffff:127.0.0.1]",
    "[::127.0.0.1]", "[]",
    "[localhost]", "[127.0.0.1]", "[::1]x:80", "localhost:80:80", "localhost:http", "localhost:",
    "localhost:-1",
    "localhost:+80", "localhost:65536", "localhost:999999", "localhost:8 0", "localhost:\xb2", "localhost..",
    ".localhost", "localhost@evil.com", "evil.com@localhost", "localhost:80@evil.com", "localhost/evil.com",
    "localhost,evil.com", "localhost evil.com", "localhost;", "localhost\\evil.com", "localhost?",
    "local%68ost",
    "localhost\xe9", "xn--localhost", "127.0.0.1.evil.com", "127.1", "2130706433", "0x7f000001", "0177.0.0.1",
    "127.0.0.01", "0.0.0.0", "127.0.0.2", "localhost.localdomain", "sub.localhost", "*", "null",
]  # fmt: skip


@pytest.mark.parametrize("host", ["[::1].evil.com", "a@b", "a:b", "a/b", "a,b", "[::1]:80:80", "caf\xe9"])
def test_a_host_that_is_none_is_refused_by_a_server_of_any_name(
    make_service: Callable[..., Service], host: str
) -> None:
    answer = AppClient(make_service().app).get("/healthz", headers={"Host": host.encode("latin-1")})
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


def test_a_name_that_can_be_no_host_is_not_allowed_in_silence() -> None:
    for name in ("http://lab.example", "lab.example/", "*.example", "", "a b"):
        with pytest.raises(UsageError, match="--allow-host"):
            allowed_hosts("0.0.0.0", [name])


def test_headers_that_came_twice_are_not_ours(client: AppClient, picture: Callable[..., bytes]) -> None:
    ours, theirs = ("Origin", "http://testserver"), ("Origin", "http://evil.example")
    for headers in ([ours, theirs], [theirs, ours], [("Sec-Fetch-Site", "none"), ("Sec-Fetch-Site", "none")]):
        assert client.post("/v1/predict", files={"file": picture()}, headers=headers).status_code == 403


def test_a_name_that_leads_here_is_not_answered_unless_it_is_ours(
    make_service: Callable[..., Service],
) -> None:
    hosts = allowed_hosts("127.0.0.1", ["Lab.example"])
    assert hosts is not None
    client = AppClient(make_service(hosts=set(hosts)).app)
    for host in (
        "localhost:8000",
        "127.0.0.1:1",
        "[::1]:8000",
        "LOCALHOST",
        "lab.example",
        "lab.example.:80",
        "localhost.",
        "[0:0:0:0:0:0:0:1]",
        "localhost:65535",
    ):
        assert client.get("/v1/model", headers={"Host": host}).status_code == 200
    for host in (
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "evil.example#localhost",
        *FOREIGN,
    ):
        answer = client.get("/v1/model", headers={"Host": host.encode("latin-1")})
        assert (answer.status_code, list(answer.json())) == (403, ["error"])


def test_which_addresses_are_this_machine_alone() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "127.3.2.1", "::1", "localhost")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "example.org")] == [False] * 4
    assert allowed_hosts("0.0.0.0", []) is None
    assert allowed_hosts("0.0.0.0", ["a.example"]) == {"0.0.0.0", "a.example"}
    assert [host_name(host) for host in ("[::1]:80", "::1", "A:80", " a ")] == ["::1", "::1", "a", "a"]


@pytest.mark.parametrize("given", [b"Bearer " + TOKEN, b"bearer  " + TOKEN + b" "])
def test_the_token_is_taken_with_its_kind(given: bytes) -> None:
    headers: list[Any] = [(b"authorization", given)]
    Access(None, TOKEN).check("GET", "/v1/model", headers)
    with pytest.raises(Refused, match="token"):
        Access(None, TOKEN).check("GET", "/v1/model", [(b"authorization", given[:-3])])
