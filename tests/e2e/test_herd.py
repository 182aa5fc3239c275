"""All agents lose their relay in one moment, and come back to it."""
import threading
import time

import pytest

from harness import sign
from harness.cuts import log_events, quantile
from harness.herd import AgentHost, add_agents
from harness.load import SECRET, Load
from harness.wait import eventually

BACK = 60.0
INGEST_P99 = 1.0
FIRST_SECOND = 50 + 72 + 30  # how many the pace lets begin in it, and some for the clock's edges


class TimedLoad(Load):
    """Knows how long each accepted event took, and when it was answered."""

    def __init__(self, *args):
        self.answers = []
        super().__init__(*args)

    def note(self, began, took):
        self.answers.append((began, took))


@pytest.mark.engine("sqlite")
def test_all_agents_are_back_after_a_kill(relay, make, request, capsys):
    count = request.config.getoption("--agents")
    agents = add_agents(relay, count)
    host = make.closed(AgentHost(relay, make.directory / "herd", agents))
    assert eventually(lambda: host.counts()["connected"] == count, BACK), host.counts()
    sources = []
    for number, agent in enumerate(host.ids[:8]):
        source = relay.api.source(f"from-{number}", "github", [SECRET])
        target = relay.api.destination(f"to-{number}", "agent", "http://127.0.0.1:1/", agent_id=agent)
        relay.api.route(source, target)
        sources.append(source)
    acknowledged = {}
    load = TimedLoad([relay], sources, 100, acknowledged, threading.Lock())
    try:
        time.sleep(1)
        relay.kill()
        assert eventually(lambda: host.counts()["connected"] == 0)
        wall = time.time()
        relay.start()
        started = time.monotonic()
        assert eventually(lambda: host.counts()["connected"] == count, BACK), host.counts()
        back = time.monotonic() - started
    finally:
        load.stop()
    during = [took for began, took in load.answers if began >= started]
    logged = sorted(at for at, event in log_events(relay.log(), "") if event == "agent.connected" and at >= wall)
    first = sum(at < logged[0] + 1 for at in logged)
    p99 = quantile(during, 0.99)
    with capsys.disabled():
        print(f"\n{count} agents back in {back:.1f} s, {first} in the first second; ingest meanwhile: {len(during)} events, "
              f"p50 {quantile(during, 0.5) * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms, most {max(during) * 1000:.1f} ms")
    assert len(logged) >= count and first <= FIRST_SECOND
    assert during and p99 < INGEST_P99
    # What was acknowledged before, meanwhile and after arrives.
    body = b'{"last":1}'
    answer = relay.post(sources[0], sign.github(SECRET, body), body)
    relay.api.wait_delivery(answer.json()["event_id"], "delivered", timeout=60)
    assert eventually(lambda: not relay.api.items("deliveries?state=parked") + relay.api.items("deliveries?state=pending"), 60)
    assert host.counts()["answered"] >= len(acknowledged) + 1
