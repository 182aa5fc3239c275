"""Rate limits at the public listener: what a sender is told, and who is not harmed by whom."""
import http.client
import time
from urllib.parse import urlsplit

import pytest

from harness import http as plain
from harness import sign

SECRET = "a github secret of some length"


class Sender:
    """Posts to one source over one connection from one of the loopback's addresses."""

    def __init__(self, source, address="127.0.0.1", secret=SECRET):
        parts = urlsplit(source["ingest_url"])
        self.path, self.secret, self.number = parts.path, secret, 0
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10,
                                                      source_address=(address, 0))

    def post(self, secret=None):
        self.number += 1
        body = b'{"n":%d,"by":%d}' % (self.number, id(self))
        self._connection.request("POST", self.path, body=body, headers=sign.github(secret or self.secret, body))
        answer = self._connection.getresponse()
        answer.body = answer.read()
        return answer

    def statuses(self, times, **kw):
        return [self.post(**kw).status for _ in range(times)]


    def until_accepted(self, seconds):
        """Asks again and again; how long it took."""
        began = time.monotonic()
        while self.post().status != 202:
            assert time.monotonic() - began < seconds, f"nothing was accepted for {seconds} s"
        return time.monotonic() - began


def limited(relay, by):
    text = plain.send("GET", relay.admin + "/metrics").body.decode()
    return next(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                if line.startswith("postern_ingest_limited_total") and f'limit="{by}"' in line)


@pytest.fixture
def strict(make):
    """5 a second and 10 at once for a source."""
    return make.relay(env={"POSTERN_INGEST_SOURCE_RATE": "5", "POSTERN_INGEST_SOURCE_BURST": "10",
                           "POSTERN_INGEST_WORKSPACE_RATE": "1000", "POSTERN_INGEST_WORKSPACE_BURST": "2000",
                           "POSTERN_INGEST_FAILURES_PER_MINUTE": "10"})


def test_a_source_over_its_limit_is_told_how_long_to_wait(strict):
    source = strict.api.source("hub", "github", [SECRET])
    other = strict.api.source("other", "github", [SECRET])
    sender = Sender(source)
    statuses = []
    answer = sender.post()
    while answer.status == 202:
        statuses.append(answer.status)
        answer = sender.post()
    assert 10 <= len(statuses) <= 12
    assert answer.status == 429
    assert answer.headers["X-RateLimit-Limit"] == "10"
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert int(answer.headers["X-RateLimit-Reset"]) == 2
    assert answer.headers["RateLimit-Policy"] == '"source";q=10;w=2'
    assert answer.headers["RateLimit"] == '"source";r=0;t=1'
    assert answer.headers["Retry-After"] == "1"
    assert b'"code":"rate_limited"' in answer.body
    assert Sender(other).statuses(5) == [202] * 5
    sender.until_accepted(int(answer.headers["Retry-After"]))
    assert limited(strict, "source") >= 1
    refused = [e for e in strict.api.items("audit") if e["action"] == "ingest.refused"]
    assert refused == []


def test_a_refusal_keeps_the_connection_and_stores_nothing(strict):
    source = strict.api.source("hub", "github", [SECRET])
    sender = Sender(source)
    statuses = sender.statuses(40)
    assert statuses.count(202) + statuses.count(429) == 40
    assert len(strict.api.items("events")) == statuses.count(202)


def test_a_source_may_have_a_limit_of_its_own(strict):
    source = strict.api.source("hub", "github", [SECRET], rate_limit={"per_second": 1000, "burst": 1000})
    assert source["rate_limit"] == {"per_second": 1000, "burst": 1000}
    assert Sender(source).statuses(100) == [202] * 100
    lowered = strict.api.ok("PATCH", f"sources/{source['id']}", {"rate_limit": {"per_second": 1}})
    assert lowered["rate_limit"] == {"per_second": 1, "burst": 1}
    assert 429 in Sender(source).statuses(5)
    assert strict.api.ok("PATCH", f"sources/{source['id']}", {"rate_limit": None})["rate_limit"] is None
    wrong = strict.api.call("PATCH", f"sources/{source['id']}", {"rate_limit": {"per_second": 0}})
    assert wrong.status == 422
    assert wrong.json()["errors"][0]["field"] == "rate_limit.per_second"


def test_a_workspaces_limit_is_for_all_its_sources(make):
    relay = make.relay(env={"POSTERN_INGEST_WORKSPACE_RATE": "1", "POSTERN_INGEST_WORKSPACE_BURST": "6"})
    first = Sender(relay.api.source("first", "github", [SECRET]))
    second = Sender(relay.api.source("second", "github", [SECRET]))
    assert first.statuses(4) == [202] * 4
    assert second.statuses(2) == [202] * 2
    answer = second.post()
    assert (answer.status, answer.headers["RateLimit-Policy"]) == (429, '"workspace";q=6;w=6')


def test_wrong_signatures_of_one_address_harm_nobody_else(make):
    relay = make.relay(env={"POSTERN_INGEST_SOURCE_RATE": "1", "POSTERN_INGEST_SOURCE_BURST": "30",
                            "POSTERN_INGEST_FAILURES_PER_MINUTE": "10"})
    source = relay.api.source("hub", "github", [SECRET])
    forger = Sender(source, address="127.0.0.2", secret="not the secret")
    assert forger.statuses(10) == [401] * 10
    answer = forger.post()
    assert answer.status == 429
    assert b'"code":"too_many_failures"' in answer.body
    assert 1 <= int(answer.headers["Retry-After"]) <= 6
    assert forger.post(secret=SECRET).status == 202, "a right signature is never locked out by wrong ones"
    assert set(forger.statuses(200)) == {429}
    assert Sender(source, address="127.0.0.3").statuses(19) == [202] * 19, "the forger used up what others have"
    assert limited(relay, "failures") >= 200
    assert len([e for e in relay.api.items("audit") if e["action"] == "ingest.refused"]) <= 10
