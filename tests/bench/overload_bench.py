"""Whether goodput holds when three times as much is sent as the relay can take, by senders who do not wait.

The relay and its database have a share of one core between them, and the senders and the app the other core: one that
sends needs about as much of a core for a request as the relay needs to refuse it, so only a relay that has less can be
offered three times what it takes. A sender has one request under way on a connection and opens another one when all are
busy, as HTTP clients do.
"""
import json
import os
import resource
import subprocess
import threading
import time

from common import counters, cpu_seconds, load, load_argv, on_cores, quantile, sink
from harness.postgres import Postgres
from harness.relay import Relay
from quota import quota

PATH = "/in/default/bench"
SHARE, TIMES = 0.3, 3
# More than the relay takes, so that it is its word that keeps senders from having more.
CONNECTIONS = 12_000


class Readers:
    """Somebody looks at the newest events, fifty times a second."""

    def __init__(self, relay):
        self.statuses, self._stop = {}, threading.Event()
        self._thread = threading.Thread(target=self._run, args=(relay,))
        self._thread.start()

    def _run(self, relay):
        while not self._stop.wait(0.02):
            status = relay.api.call("GET", "events?limit=100").status
            self.statuses[status] = self.statuses.get(status, 0) + 1

    def stop(self):
        self._stop.set()
        self._thread.join()
        return self.statuses


def start(directory, engine):
    server = Postgres(shared_buffers="512MB", max_wal_size="4GB").start() if engine == "postgres" else None
    env = {"POSTERN_LOG_LEVEL": "warn", "POSTERN_OVERLOAD_WAIT": "500ms"}
    relay = Relay(directory / f"overload-{engine}", env=env, database=server and server.database()).start()
    return server, relay


def overload(directory, engine, seconds):
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    cores = sorted(os.sched_getaffinity(0))
    ours, theirs = {cores[0]}, set(cores[1:2] or cores)
    with on_cores(ours):
        server, relay = start(directory, engine)
    try:
        pids = [relay.process.pid, *([server.child.pid] if server else [])]
        with quota(SHARE, *pids), on_cores(theirs):
            return measured(directory, relay, seconds)
    finally:
        relay.kill()
        if server:
            server.remove()


def delivered(relay):
    return sum(value for key, value in counters(relay, "postern_delivery_attempts_total").items() if "delivered" in key)


def connect(directory, relay):
    # A tenth of the deliveries fails and is tried again, so that there are retries to hold back.
    app, url = sink(directory, "--fail-every", "10")
    source = relay.api.source("bench", "stripe", ["whsec_bench_signing_secret_0123456789"])
    relay.api.route(source, relay.api.destination("sink", "http", url + "/", concurrency=256,
                                                  retry_schedule=["0", "2s"], breaker={"enabled": False}))
    return app


def best_of(port, seconds):
    """What it takes of senders who wait, and delivers meanwhile."""
    load(port, PATH, 64, 1)
    return max(load(port, PATH, connections, max(5, seconds / 2))["per_second"] for connections in (64, 256))


def measured(directory, relay, seconds):
    app, port = connect(directory, relay), relay.ports["ingest"]
    peak = best_of(port, seconds)
    relay.api.post("replays", {"rate": 500})
    before = {name: counters(relay, name) for name in ("postern_shed_total", "postern_ingest_seconds_bucket")}
    done, cpu, began = delivered(relay), cpu_seconds(relay.process.pid), time.monotonic()
    readers = Readers(relay)
    argv = load_argv(port, PATH, CONNECTIONS, seconds, TIMES * peak, ["--open"])
    offered = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    reads, took = readers.stop(), time.monotonic() - began
    after = {name: counters(relay, name) for name in before}
    figures = {"relay_core": round((cpu_seconds(relay.process.pid) - cpu) / took, 2),
               "delivered_per_second": round((delivered(relay) - done) / took),
               "relay_p99_below_s": quantile(*(each["postern_ingest_seconds_bucket"] for each in (before, after)), 0.99)}
    app.kill()
    return {**of_senders(offered, peak, seconds), **figures,
            **{f"shed_{key.split(chr(34))[1]}": int(value - before["postern_shed_total"][key])
               for key, value in after["postern_shed_total"].items()},
            "reads": {str(status): count for status, count in reads.items()}}


def of_senders(offered, peak, seconds):
    """p99_ms is from when a request was due; what the senders themselves are behind is in it."""
    of_peak = lambda count: round(count / seconds / peak, 2)
    return {"peak_per_second": peak, "due_of_peak": of_peak(offered["due"]), "offered_of_peak": of_peak(offered["sent"]),
            "accepted_of_peak": round(offered["per_second"] / peak, 2), "p99_ms": round(offered["latency"]["p99_us"] / 1000),
            "refused_p99_ms": round(offered["refusal_latency"]["p99_us"] / 1000),
            **{name: offered[name] for name in ("sent", "accepted", "refused", "turned_away", "unanswered", "other", "missed",
                                                "behind")},
            "senders_core": round(offered["client_cpu"] / seconds, 2)}
