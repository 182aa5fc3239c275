"""Whether goodput holds when three times as much is sent as the relay can take, by senders who do not wait.

The relay and its database have one core and everything else the other, in both phases: what refusing costs the
relay is seen, and what the load generator takes is not mistaken for it.
"""
import json
import os
import resource
import subprocess
import threading

from common import counters, load, load_argv, on_cores, quantile, sink
from harness.postgres import Postgres
from harness.relay import Relay

PATH = "/in/default/bench"
# Each waits for one answer, so what is late is bounded by them: so many, and half a second is an overload.
CONNECTIONS = 9_000


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
        with on_cores(theirs):
            return measured(directory, relay, seconds)
    finally:
        relay.kill()
        if server:
            server.remove()


def measured(directory, relay, seconds):
    """p99_ms is as senders see it, with what they themselves are behind; relay_p99_below_s is from a request's last byte."""
    # A tenth of the deliveries fails and is tried again, so that there are retries to hold back.
    app, url = sink(directory, "--fail-every", "10")
    source = relay.api.source("bench", "stripe", ["whsec_bench_signing_secret_0123456789"])
    relay.api.route(source, relay.api.destination("sink", "http", url + "/", concurrency=256,
                                                  retry_schedule=["0", "2s"], breaker={"enabled": False}))
    port = relay.ports["ingest"]
    load(port, PATH, 64, 1)
    peak = load(port, PATH, 64, max(5, seconds / 2))["per_second"]
    relay.api.post("replays", {"rate": 500})
    shed, answered = counters(relay, "postern_shed_total"), counters(relay, "postern_ingest_seconds_bucket")
    readers = Readers(relay)
    offered = json.loads(subprocess.run(load_argv(port, PATH, CONNECTIONS, seconds, 3 * peak, ["--open"]), capture_output=True,
                                        text=True, check=True).stdout)
    reads = readers.stop()
    now, answers = counters(relay, "postern_shed_total"), counters(relay, "postern_ingest_seconds_bucket")
    app.kill()
    sent = offered["accepted"] + offered["refused"] + offered["other"]
    return {"peak_per_second": peak, "accepted_per_second": offered["per_second"],
            "accepted_of_peak": round(offered["per_second"] / peak, 2),
            "offered_of_peak": round(sent / offered["seconds"] / peak, 2),
            "p99_ms": round(offered["latency"]["p99_us"] / 1000), "relay_p99_below_s": quantile(answered, answers, 0.99),
            "missed": offered["missed"], "refused": offered["refused"], "other": offered["other"],
            **{f"shed_{key.split(chr(34))[1]}": int(value - shed[key]) for key, value in now.items()},
            "reads": {str(status): count for status, count in reads.items()}}
