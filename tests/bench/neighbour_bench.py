"""What a workspace with dead hosts and a flood of events costs another one that minds its own business.

The quiet one sends 50 a second to an app that is well; what counts is the way from its POST to the app, alone and then
beside ten thousand deliveries of the other one that nobody takes, and six times as many events as the other one may send.
"""
import subprocess
import time

from common import SECRET, load, load_argv, sink
from harness import http
from harness.app import BlackHole, closed_port
from harness.relay import Relay

BACKLOG, DEAD_HOSTS, RATE = 1_000, 10, 50  # events, each for every dead host; the flood is for two of them
LIMITS = {"POSTERN_INGEST_SOURCE_RATE": "500", "POSTERN_INGEST_SOURCE_BURST": "1000", "POSTERN_INGEST_WORKSPACE_RATE": "500",
          "POSTERN_INGEST_WORKSPACE_BURST": "1000", "POSTERN_LOG_LEVEL": "warn", "POSTERN_OVERLOAD_WAIT": "500ms"}


def steady(relay, url, seconds):
    """The quiet workspace's load, and how long its events took to the app."""
    http.send("GET", url + "/stats")
    sent = load(relay.ports["ingest"], "/in/quiet/bench", 8, seconds, RATE)
    deadline, got = time.monotonic() + 30, 0
    stats = {}
    while got < sent["accepted"] and time.monotonic() < deadline:
        time.sleep(0.2)
        more = http.send("GET", url + "/stats").json()
        got += more["count"]
        stats = max(stats, more, key=lambda each: each.get("count", -1))
    return sent, got, stats


def connect(relay, quiet, url, hole):
    quiet.route(quiet.source("bench", "stripe", [SECRET]), quiet.destination("app", "http", url + "/"))
    backlog, flood = (relay.api.source(name, "stripe", [SECRET]) for name in ("backlog", "flood"))
    for n in range(DEAD_HOSTS):
        dead = hole.url if n % 2 else f"http://127.0.0.1:{closed_port()}"
        destination = relay.api.destination(f"dead-{n}", "http", dead, breaker={"enabled": False})
        relay.api.route(backlog, destination)
        if n < 2:
            relay.api.route(flood, destination)


def neighbour(directory, server, seconds):
    name = "neighbour-postgres" if server else "neighbour-sqlite"
    relay = Relay(directory / name, env=LIMITS, database=server and server.database()).start()
    quiet, hole = relay.add_workspace("quiet"), BlackHole()
    app, url = sink(directory)
    try:
        connect(relay, quiet, url, hole)
        steady(relay, url, 2)
        alone = steady(relay, url, seconds)
        owed = load(relay.ports["ingest"], "/in/default/backlog", 16, 2, BACKLOG / 2)
        flood_argv = load_argv(relay.ports["ingest"], "/in/default/flood", 32, seconds + 3, 3_000, ["--open"])
        flood = subprocess.Popen(flood_argv, stdout=subprocess.PIPE)
        time.sleep(1)
        beside = steady(relay, url, seconds)
        flood.communicate()
        return {**figures(alone, beside), "backlog": owed["accepted"] * DEAD_HOSTS}
    finally:
        relay.kill()
        app.kill()
        hole.close()


def figures(alone, beside):
    (_, _, before), (sent, got, after) = alone, beside
    ratio = lambda key: round(after[key] / before[key], 2)
    return {"alone_p50_us": before["p50_us"], "alone_p99_us": before["p99_us"], "beside_p50_us": after["p50_us"],
            "beside_p99_us": after["p99_us"], "p50_ratio": ratio("p50_us"), "p99_ratio": ratio("p99_us"),
            "refused": sent["refused"] + sent["other"], "missing": sent["accepted"] - got}
