"""The public listener: what it answers before and around verification."""
import json
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness import http, sign
from harness.process import ROOT

SECRET = "a github secret of some length"
BODY = b'{"zen":"Keep it logically awesome."}'


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    from harness.relay import Relay
    relay = Relay(tmp_path_factory.mktemp("ingest")).start()
    source = relay.api.source("hub", "github", [SECRET])
    yield relay, source
    relay.kill()


def raw(url, data, timeout=15.0):
    """Sends bytes and returns all that comes back until the server closes or pauses."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=timeout) as connection:
        connection.sendall(data)
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except (TimeoutError, ConnectionResetError):
            pass
        return received


def test_unknown_and_disabled_sources_look_the_same(shared):
    relay, _ = shared
    disabled = relay.api.source("off", "github", [SECRET])
    relay.api.ok("PATCH", f"sources/{disabled['id']}", {"enabled": False})
    unknown = http.send("POST", relay.ingest + "/in/default/nobody", sign.github(SECRET, BODY), BODY)
    off = relay.post(disabled, sign.github(SECRET, BODY), BODY)
    assert unknown.status == off.status == 404
    assert unknown.body == off.body


def test_wrong_method_names_the_right_one(shared):
    _, source = shared
    answer = http.send("GET", source["ingest_url"])
    assert answer.status == 405
    assert answer.headers["Allow"] == "POST"


def test_topics_in_the_path_reach_the_same_source(shared):
    relay, source = shared
    body = b'{"topic":"in the path"}'
    answer = relay.post(source, sign.github(SECRET, body), body, suffix="/orders/created")
    assert answer.status == 202
    assert relay.api.get(f"events/{answer.json()['event_id']}")["target"].endswith("/hub/orders/created")


def test_a_body_over_the_limit_is_refused_without_being_read(shared):
    relay, _ = shared
    small = relay.api.source("small", "github", [SECRET], body_limit_bytes=1000)
    path = urlsplit(small["ingest_url"]).path
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 900000000\r\n\r\n".encode()
    assert raw(relay.ingest, head).startswith(b"HTTP/1.1 413 ")
    body = b"x" * 1001
    assert relay.post(small, sign.github(SECRET, body), body).status == 413
    body = b"x" * 1000
    assert relay.post(small, sign.github(SECRET, body), body).status == 202


def test_heads_over_the_limits(shared):
    relay, source = shared
    path = urlsplit(source["ingest_url"]).path
    many = "".join(f"X-{i}: 1\r\n" for i in range(130))
    assert raw(relay.ingest, f"POST {path} HTTP/1.1\r\nHost: x\r\n{many}\r\n".encode()).startswith(b"HTTP/1.1 431 ")
    big = "X-Big: " + "x" * 70_000
    assert raw(relay.ingest, f"POST {path} HTTP/1.1\r\nHost: x\r\n{big}\r\n\r\n".encode()).startswith(b"HTTP/1.1 431 ")
    long = path + "/" + "x" * 9000
    assert raw(relay.ingest, f"POST {long} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).startswith(b"HTTP/1.1 414 ")


def test_a_slow_head_is_closed_after_ten_seconds(shared):
    relay, _ = shared
    began = time.monotonic()
    raw(relay.ingest, b"POST /in/default/hub HTTP/1.1\r\nHost: x\r\nX-Slow: ", timeout=20)
    assert 9 <= time.monotonic() - began <= 13


def strict_cases():
    """The table the gate's unit test reads: text is Latin-1, long runs are written {"repeat": "a", "times": 5000}."""
    return json.loads((ROOT / "tests" / "support" / "strict_http_cases.json").read_text())


def case_bytes(case):
    parts = case["request"] if isinstance(case["request"], list) else [case["request"]]
    text = "".join(p if isinstance(p, str) else p["repeat"] * p["times"] for p in parts)
    # Errors of a body show only where the body is wanted: at a source that exists.
    return text.replace("/in/w/s", "/in/default/hub").encode("latin-1")


def test_the_strict_table_holds_against_the_real_listener(shared):
    relay, _ = shared
    cases = strict_cases()
    assert len(cases) >= 60
    for case in cases:
        if case["status"] < 400:
            continue
        answer = raw(relay.ingest, case_bytes(case), timeout=3)
        assert answer.startswith(b"HTTP/1.1 %d " % case["status"]), (case["name"], answer[:200])
        assert answer.count(b"HTTP/1.1 ") == 1, (case["name"], answer)


def test_nothing_of_a_refused_request_is_stored(shared):
    relay, source = shared
    before = len(relay.api.items("events"))
    path = urlsplit(source["ingest_url"]).path
    smuggled = (f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
                f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").encode()
    answer = raw(relay.ingest, smuggled, timeout=3)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert len(relay.api.items("events")) == before
