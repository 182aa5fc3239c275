"""Cuts the way between a relay and its agents again and again while events flow, and counts what became of them."""
import random
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from .load import SECRET, Load
from .wait import eventually

OURS = ("agent.connected", "agent.disconnected", "agent.connect_failed")
FAST = {"retry_schedule": ["0"] + ["200ms"] * 60, "breaker": {"enabled": False}, "concurrency": 32}


@dataclass
class Kind:
    """A way to cut. `during` says for how many seconds; None: until `ends` have noticed, and a moment more."""
    begin: tuple
    during: tuple | None = (0.0, 0.0)
    ends: tuple = ()
    before: tuple = ()  # bad weather first


PROXY_KINDS = {
    "reset": Kind(("reset",)),
    "refused": Kind(("refuse", "reset"), (0.2, 8)),
    "long refused": Kind(("refuse", "reset"), (10, 30)),
    "mute": Kind(("mute", "reset"), (0.2, 8)),
    "drip, reset": Kind(("reset",), before=("drip on",)),
    "narrow, reset": Kind(("reset",), before=("bandwidth 20000",)),
    "slow, reset": Kind(("reset",), before=("latency 60 80",)),
    "brief hole": Kind(("blackhole both",), (0.3, 6)),
    "brief hole up": Kind(("blackhole up",), (0.3, 6)),
    "brief hole down": Kind(("blackhole down",), (0.3, 6)),
    "hole": Kind(("blackhole both",), None, ("relay", "agent")),
    "hole up": Kind(("blackhole up",), None, ("relay",)),
    "hole down": Kind(("blackhole down",), None, ("agent",)),
}
CABLE_KINDS = {
    "cable out, near": Kind(("near",), (0.3, 6)),
    "cable out, far": Kind(("far",), (0.3, 6)),
    "cable long out": Kind(("near",), None, ("relay", "agent")),
}


class ProxyWire:
    kinds = PROXY_KINDS

    def __init__(self, proxy):
        self._proxy = proxy

    def cut(self, words):
        self._proxy.do(*words)

    def heal(self):
        self._proxy.do("clear")


class CableWire:
    kinds = CABLE_KINDS

    def __init__(self, cable):
        self._cable = cable

    def cut(self, words):
        for side in words:
            self._cable.down(side)

    def heal(self):
        self._cable.up()


@dataclass
class Cut:
    kind: str
    noticed: dict = field(default_factory=dict)  # end -> seconds from the cut
    session_lost: bool = False
    back: float = 0.0  # seconds from the healing to a session; 0 where it lived on
    flowing: float = 0.0  # from the healing to the first arrival at the app; events are never long in coming


def log_events(text, agent):
    """(wall time, event) of an agent's sessions, or of all agents' (""), from a program's log."""
    for line in text.splitlines():
        found = re.match(r"(\S+Z) \w+ +(\S+) (.*)", line)
        if found and found[2] in OURS and f"agent={agent}" in found[3]:
            yield datetime.fromisoformat(found[1].replace("Z", "+00:00")).timestamp(), found[2]


class Line:
    """One agent with an app, and the wire between it and the relay."""

    def __init__(self, relay, agent, app, wire):
        self.relay, self.agent, self.app, self.wire = relay, agent, app, wire
        self.source = relay.api.source(f"from-{agent.id}", "github", [SECRET])
        destination = relay.api.destination(f"to-{agent.id}", "agent", app.url, agent_id=agent.id, **FAST)
        relay.api.route(self.source, destination)
        self.cuts, self.trouble = [], None

    def run(self, kinds, chance):
        try:
            for kind in kinds:
                self.cuts.append(self._cut(kind, self.wire.kinds[kind], chance))
                time.sleep(chance.uniform(0.2, 1.5))
        except Exception as trouble:  # a thread's failure is the test's
            self.trouble = trouble
        finally:
            self.wire.heal()

    def _cut(self, name, kind, chance):
        if kind.before:
            self.wire.cut(kind.before)
            time.sleep(chance.uniform(0.5, 3))
        result, began = Cut(name), time.time()
        self.wire.cut(kind.begin)
        if kind.during is None:
            for end in kind.ends:
                result.noticed[end] = self._noticed(end, began) - began
            time.sleep(chance.uniform(0, 3))
        else:
            time.sleep(chance.uniform(*kind.during))
        healed, since = time.time(), time.monotonic()
        self.wire.heal()
        result.flowing = self.app.wait(1, 90, lambda received: received.at >= since)[0].at - since
        seen = [e for e in self._seen("agent") if e[0] >= began - 0.001]
        result.session_lost = any(event == "agent.disconnected" for _, event in seen)
        if result.session_lost:
            result.back = max(0.0, eventually(lambda: self._connected(began), 60) - healed)
        return result

    def _seen(self, end):
        log = self.relay.log() if end == "relay" else self.agent.log()
        return list(log_events(log, self.agent.id))

    def _noticed(self, end, since):
        found = eventually(lambda: [at for at, event in self._seen(end) if event == "agent.disconnected" and at >= since], 40)
        assert found, f"the {end} has not noticed in 40 s"
        return found[0]

    def _connected(self, since):
        """When the session that stands now began."""
        seen = [e for e in self._seen("agent") if e[0] >= since]
        return seen[-1][0] if seen and seen[-1][1] == "agent.connected" else None


@dataclass
class Report:
    cuts: list
    acknowledged: dict
    undelivered: list
    changed: list
    repeated: dict  # delivery id -> calls, where the app was called more than once
    unfinished: list  # deliveries that did not end delivered

    def back_p95(self):
        return quantile([c.back for c in self.cuts], 0.95)

    def noticed_most(self):
        return max((seconds for c in self.cuts for seconds in c.noticed.values()), default=0.0)

    def table(self):
        rows = [f"{'cut':18}{'times':>6}{'broke':>6}{'noticed s, most':>17}{'back s p50':>12}{'p95':>7}{'most':>7}"
                f"{'flowing p95':>13}"]
        kinds = list(dict.fromkeys(c.kind for c in self.cuts))
        for name, cuts in [(k, [c for c in self.cuts if c.kind == k]) for k in kinds] + [("all", self.cuts)]:
            noticed = [s for c in cuts for s in c.noticed.values()]
            back, flowing = [c.back for c in cuts], [c.flowing for c in cuts]
            rows.append(f"{name:18}{len(cuts):6}{sum(c.session_lost for c in cuts):6}"
                        f"{max(noticed) if noticed else '':>17.4}{quantile(back, 0.5):12.2f}{quantile(back, 0.95):7.2f}"
                        f"{max(back):7.2f}{quantile(flowing, 0.95):13.2f}")
        rows.append(f"{len(self.acknowledged)} events acknowledged, {len(self.undelivered)} not delivered, "
                    f"{len(self.changed)} changed, {len(self.repeated)} deliveries called more than once, "
                    f"{len(self.unfinished)} deliveries not ended as delivered")
        return "\n".join(rows)


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def plan(wire, count, chance):
    """Every kind in turn, from a random one on: a short run has them mixed, a long one has all of them evenly."""
    kinds = list(wire.kinds)
    start = chance.randrange(len(kinds))
    return [kinds[(start + n) % len(kinds)] for n in range(count)]


def slow_app(seed):
    """What an app's `respond` may be: takes a while, so that cuts find calls under way; and not so long that a backlog,
    which is sent one by one at first after every cut, grows for ever."""
    chance = random.Random(seed)
    return lambda received: time.sleep(chance.uniform(0, 0.04)) or 200


def run(relay, lines, plans, rate, seed=None):
    """Cuts all lines at once, each by its plan, while `rate` events a second go to all of them together."""
    acknowledged, lock = {}, threading.Lock()
    load = Load([relay], [line.source for line in lines], rate, acknowledged, lock)
    threads = [threading.Thread(target=line.run, args=(kinds, random.Random(f"{seed}-{n}")))
               for n, (line, kinds) in enumerate(zip(lines, plans))]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        load.stop()
    for line in lines:
        if line.trouble:
            raise line.trouble
    return _audit(relay, lines, acknowledged)


def _audit(relay, lines, acknowledged):
    def open_deliveries():
        return [d["id"] for state in ("pending", "leased", "parked") for d in relay.api.items(f"deliveries?state={state}")]

    left = None
    while left != 0 and eventually(lambda: len(open_deliveries()) != left, 30):  # for as long as there is progress
        left = len(open_deliveries())
    bodies, calls = {}, Counter()
    for line in lines:
        for received in list(line.app.received):
            bodies.setdefault(received.headers["postern-event-id"], received.body)
            calls[received.headers["postern-delivery-id"]] += 1
    return Report(
        cuts=[cut for line in lines for cut in line.cuts],
        acknowledged=acknowledged,
        undelivered=sorted(set(acknowledged) - set(bodies)),
        changed=sorted(e for e, body in acknowledged.items() if e in bodies and bodies[e] != body),
        repeated={delivery: count for delivery, count in calls.items() if count > 1},
        unfinished=open_deliveries() + [d["id"] for d in relay.api.items("deliveries?state=dead")])
