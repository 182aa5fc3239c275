"""Two workspaces on one relay: what one does to itself costs the other nothing."""
import time
from collections import Counter

from harness import load, sign
from harness.app import closed_port
from harness.load import SECRET

DEAD_HOSTS, FLOOD = 10, 1_000


class Flood(load.Flood):
    """The ids of what was accepted."""

    def __init__(self, relay, source):
        self.accepted, self.limited, self.other = [], 0, []
        super().__init__(relay, source)

    def _note(self, _, answer):
        if answer.status == 202:
            self.accepted.append(answer.json()["event_id"])
        elif answer.status == 429:
            self.limited += 1
        else:
            self.other.append(answer)

    def until_accepted(self, count, timeout=60):
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.accepted) >= count, timeout), len(self.accepted)


def test_dead_hosts_and_a_flood_of_one_workspace_harm_no_other(make):
    relay = make.relay()
    quiet = relay.add_workspace("quiet")
    app, hole, port = make.app(), make.black_hole(), closed_port()
    quiet_source = quiet.source("hub", "github", [SECRET])
    quiet.route(quiet_source, quiet.destination("app", "http", app.url))
    loud = relay.api
    loud.ok("PATCH", "workspace", {"rate_limit": {"per_second": 50, "burst": FLOOD}})
    loud_source = loud.source("flood", "github", [SECRET])
    for n in range(DEAD_HOSTS):
        url = hole.url if n % 2 else f"http://127.0.0.1:{port}"
        loud.route(loud_source, loud.destination(f"dead-{n}", "http", url, breaker={"enabled": False}))

    flood = Flood(relay, loud_source)
    try:
        flood.until_accepted(FLOOD)  # ten thousand deliveries that nobody will ever take
        steady = []
        for n in range(200):
            body = b'{"steady":%d}' % n
            steady.append((body, relay.post(quiet_source, sign.github(SECRET, body), body)))
            time.sleep(0.02)
    finally:
        flood.stop()
    assert {answer.status for _, answer in steady} == {202}
    got = app.wait(len(steady), timeout=60)
    assert sorted(received.body for received in got) == sorted(body for body, _ in steady)
    assert flood.limited > 0 and flood.other == []

    owed = loud.items("deliveries?limit=500")
    assert Counter(it["event_id"] for it in owed) == {event: DEAD_HOSTS for event in flood.accepted}
    assert {it["state"] for it in owed} <= {"pending", "leased", "parked", "dead"}
    assert quiet.call("GET", f"events/{flood.accepted[0]}").status == 404
