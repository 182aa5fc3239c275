"""Kills the relay at random moments under load, and then compares what senders were told with what there is."""
import random
import sqlite3
import threading
import time
from dataclasses import dataclass, field

from .app import App
from .load import SECRET, Load, wait_for_all
from .relay import Agent, Relay


@dataclass
class Report:
    kills: int = 0
    acknowledged: dict = field(default_factory=dict)  # event id -> body
    lost: list = field(default_factory=list)          # acknowledged, yet not in the store
    undelivered: list = field(default_factory=list)   # in the store, yet never received
    changed: list = field(default_factory=list)       # received with another body
    received: int = 0
    quick_check: str = ""
    ready_seconds: list = field(default_factory=list)

    def summary(self):
        ordered = sorted(self.ready_seconds)
        return (f"{self.kills} kills, {len(self.acknowledged)} events acknowledged, {len(self.lost)} lost, "
                f"{len(self.undelivered)} undelivered, {self.received} requests received, "
                f"quick_check {self.quick_check}, ready again p50 {ordered[len(ordered) // 2]:.2f} s "
                f"max {ordered[-1]:.2f} s")


def _check_store(relay, server):
    """Looks at the store itself, after a clean stop, so that no cache can tell a nicer story."""
    relay.stop()
    if server:
        orphans = server.query("SELECT count(*) FROM delivery d WHERE NOT EXISTS (SELECT 1 FROM event e WHERE e.row = "
                               "d.event_row)", database=server.name_of(relay.database))
        verdict = "ok" if orphans == ["0"] else f"{orphans[0]} deliveries without an event"
    else:
        database = sqlite3.connect(f"file:{relay.data / 'postern.db'}?mode=ro", uri=True)
        verdict = database.execute("PRAGMA quick_check").fetchone()[0]
        database.close()
    relay.start()
    return verdict


def _audit(relay, apps, report, server):
    report.quick_check = _check_store(relay, server)
    for event_id, body in report.acknowledged.items():
        answer = relay.api.call("GET", f"events/{event_id}/body")
        if answer.status != 200 or answer.body != body:
            report.lost.append(event_id)
    wanted = set(report.acknowledged) - set(report.lost)
    got = wait_for_all(apps, wanted)
    report.undelivered = sorted(wanted - set(got))
    report.changed = sorted(e for e in wanted & set(got) if set(got[e]) != {report.acknowledged[e]})
    report.received = sum(len(app.received) for app in apps)


def run(directory, kills, rate=500, binary=None, seed=None, with_agent=True, server=None):
    chance = random.Random(seed)
    report, lock = Report(), threading.Lock()
    apps = [App(), App()]
    relay = Relay(directory / "relay", binary=binary, database=server.database() if server else None).start()
    public = relay.api.source("public", "github", [SECRET])
    fast = {"retry_schedule": ["0"] + ["200ms"] * 30}
    relay.api.route(public, relay.api.destination("public", "http", apps[0].url, **fast))
    sources, agent = [public], None
    if with_agent:
        agent = Agent(directory / "agent", relay, "agent", [apps[1].address]).join()
        private = relay.api.source("private", "github", [SECRET])
        relay.api.route(private, relay.api.destination("private", "agent", apps[1].url, agent_id=agent.id, **fast))
        sources.append(private)
    load = Load([relay], sources, rate, report.acknowledged, lock)
    try:
        for _ in range(kills):
            time.sleep(chance.uniform(0.02, 0.25))
            relay.kill()
            report.kills += 1
            relay.start()
            report.ready_seconds.append(relay.ready_after)
        time.sleep(0.3)
    finally:
        load.stop()
    try:
        _audit(relay, apps, report, server)
    finally:
        relay.kill()
        if agent:
            agent.kill()
        for app in apps:
            app.close()
    return report
