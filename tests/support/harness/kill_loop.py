"""Kills the relay at random moments under load, and then compares what senders were told with what there is."""
import os
import random
import sqlite3
import threading
import time
from dataclasses import dataclass, field

from . import http, sign
from .app import App
from .relay import Agent, Relay

SECRET = "a github secret of some length"
SENDERS = 8


@dataclass
class Report:
    kills: int = 0
    acknowledged: dict = field(default_factory=dict)  # event id -> provider's delivery id
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


class Load:
    """Sends signed requests at a rate until it is told to stop; remembers what was acknowledged."""

    def __init__(self, relay, sources, rate, report, lock):
        self._relay, self._sources, self._report, self._lock = relay, sources, report, lock
        self._pause = SENDERS / rate
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def _run(self, number):
        sender = None
        path = self._sources[number % len(self._sources)]["ingest_url"].split("/", 3)[3]
        while not self._stop.is_set():
            began = time.monotonic()
            body = b'{"pad":"' + os.urandom(random.choice((20, 300, 4000))).hex().encode() + b'"}'
            headers = sign.github(SECRET, body)
            try:
                sender = sender or http.Sender(self._relay.ingest, timeout=5)
                answer = sender.post("/" + path, headers, body)
                if 200 <= answer.status < 300:
                    with self._lock:
                        self._report.acknowledged[answer.json()["event_id"]] = body
            except (OSError, http.http.client.HTTPException, ValueError):
                sender = None
            self._stop.wait(max(0.0, self._pause - (time.monotonic() - began)))

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def _audit(relay, apps, report):
    """Reads the store itself, after a clean stop, so that no cache can tell a nicer story."""
    relay.stop()
    database = sqlite3.connect(f"file:{relay.data / 'postern.db'}?mode=ro", uri=True)
    report.quick_check = database.execute("PRAGMA quick_check").fetchone()[0]
    database.close()
    relay.start()
    for event_id, body in report.acknowledged.items():
        answer = relay.api.call("GET", f"events/{event_id}/body")
        if answer.status != 200 or answer.body != body:
            report.lost.append(event_id)
    wanted = set(report.acknowledged) - set(report.lost)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        got = {r.headers.get("postern-event-id"): r.body for app in apps for r in list(app.received)}
        if wanted <= set(got):
            break
        time.sleep(0.1)
    report.undelivered = sorted(wanted - set(got))
    report.changed = sorted(e for e in wanted & set(got) if got[e] != report.acknowledged[e])
    report.received = sum(len(app.received) for app in apps)


def run(directory, kills, rate=500, binary=None, seed=None, with_agent=True):
    chance = random.Random(seed)
    report, lock = Report(), threading.Lock()
    apps = [App(), App()]
    relay = Relay(directory / "relay", binary=binary).start()
    public = relay.api.source("public", "github", [SECRET])
    fast = {"retry_schedule": ["0"] + ["200ms"] * 30}
    relay.api.route(public, relay.api.destination("public", "http", apps[0].url, **fast))
    sources, agent = [public], None
    if with_agent:
        agent = Agent(directory / "agent", relay, "agent", [apps[1].address]).join()
        private = relay.api.source("private", "github", [SECRET])
        relay.api.route(private, relay.api.destination("private", "agent", apps[1].url, agent_id=agent.id, **fast))
        sources.append(private)
    load = Load(relay, sources, rate, report, lock)
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
        _audit(relay, apps, report)
    finally:
        relay.kill()
        if agent:
            agent.kill()
        for app in apps:
            app.close()
    return report
