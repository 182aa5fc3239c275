"""Runs the bare servers and Postern side by side and prints the ratios; see scripts/bench --help."""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import neighbour_bench  # noqa: E402
import overload_bench  # noqa: E402
import queue_bench as queue  # noqa: E402
import tunnel_bench  # noqa: E402
from common import cpu_seconds  # noqa: E402
from harness import http  # noqa: E402
from harness.postgres import Postgres  # noqa: E402
from harness.process import BIN, ROOT, Process  # noqa: E402
from harness.relay import Agent, Relay  # noqa: E402

SECRET = "whsec_bench_signing_secret_0123456789"
TICK = os.sysconf("SC_CLK_TCK")


def cpu_of_tree(pid):
    """Of a PostgreSQL server: its own, its children's, and that of children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    seconds = sum(int(fields[n]) for n in range(11, 15)) / TICK
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            seconds += cpu_seconds(child)
        except FileNotFoundError:
            pass
    return seconds


def resident_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1))


def load(port, path, connections, seconds, rate=0):
    argv = [BIN / "bench_load", "--port", port, "--path", path, "--secret", SECRET, "--connections", connections,
            "--seconds", seconds, "--rate", rate]
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr or done.stdout)
    return json.loads(done.stdout)


class Bench:
    snapshot_seconds = 600
    long_seconds = 20

    def __init__(self, directory, seconds):
        self.directory, self.seconds = directory, seconds
        self.results = {}
        self.tables = []  # of measurements that have one of their own
        self._server = None

    @property
    def server(self):
        if self._server is None:
            self._server = Postgres(shared_buffers="512MB", max_wal_size="4GB").start()
        return self._server

    def close(self):
        if self._server:
            self._server.remove()

    def keep(self, name, figures):
        self.results[name] = figures
        shown = ", ".join(f"{k} {v}" for k, v in figures.items() if not isinstance(v, dict))
        print(f"   {name:28} {shown}", file=sys.stderr, flush=True)

    def under_load(self, name, process, port, path, connections):
        before = cpu_seconds(process.pid)
        figures = load(port, path, connections, self.seconds)
        spent = cpu_seconds(process.pid) - before
        latency = figures["latency"]
        if figures["other"] or figures["refused"]:
            raise RuntimeError(f"{name}: {figures['other'] + figures['refused']} requests were not accepted")
        self.keep(name, {"per_second": figures["per_second"], "p50_us": latency["p50_us"], "p99_us": latency["p99_us"],
                         "cpu_us_per_request": round(spent / max(1, figures["accepted"]) * 1e6, 1)})

    # -- the machine ------------------------------------------------------------------------------------------------
    def bare(self):
        self.bare_servers(("bare", []), ("bare-sqlite", ["--store", self.directory / "bare.db"]))

    def bare_servers(self, *servers):
        for name, flags in servers:
            process = Process([BIN / "bench_bare", *flags], self.directory / f"{name}.log")
            port = int(process.wait_line("ready ").split("port=")[1])
            for connections in (64, 256):
                self.under_load(f"{name}-{connections}", process, port, "/in/default/bench", connections)
            process.kill()
            for file in self.directory.glob("bare.db*"):
                file.unlink()

    # -- Postern ----------------------------------------------------------------------------------------------------
    def relay(self, name, database=None):
        relay = Relay(self.directory / name, env={"POSTERN_LOG_LEVEL": "warn"}, database=database).start()
        return relay, relay.api.source("bench", "stripe", [SECRET])

    def sink(self):
        process = Process([BIN / "bench_sink"], self.directory / "sink.log")
        return process, "http://127.0.0.1:" + process.wait_line("ready ").split("port=")[1]

    def ingest(self):
        relay, source = self.relay("ingest")
        port, path = relay.ports["ingest"], "/in/default/bench"
        load(port, path, 64, 1)
        for connections in (64, 256):
            self.under_load(f"ingest-{connections}", relay.process, port, path, connections)
        relay.kill()

    def postgres(self):
        """The bare multi-row insert of the same rows, then ingest; then nodes that take and deliver together."""
        self.bare_servers(("bare-postgres", ["--postgres", self.server.database()]))
        relay, source = self.relay("ingest-postgres", self.server.database())
        port, path = relay.ports["ingest"], "/in/default/bench"
        load(port, path, 64, 1)
        for connections in (64, 256):
            self.under_load(f"postgres-ingest-{connections}", relay.process, port, path, connections)
        relay.kill()
        for count in (1, 2, 3):
            self.nodes(count)

    def cluster(self):
        """The last part of it alone."""
        for count in (1, 2, 3):
            self.nodes(count)

    def parked(self):
        """A million parked deliveries beside what is claimed."""
        figures, plan = queue.parked(self.directory, self.server)
        print(plan, file=sys.stderr)
        for name, each in figures.items():
            self.keep(f"claim-{name}", each)

    def snapshot(self):
        self.keep("claim-under-snapshot", queue.snapshot(self.directory, self.server, seconds=self.snapshot_seconds))

    def order(self):
        """Claims in order under a snapshot that was there before the first one: all wait, or twenty at a time."""
        for name, flags in (("whole", []), ("by-key", ["--keys", 1000])):
            for more in ([], ["--arriving", 20]):
                argv = [BIN / "bench_order", "--database", self.server.database(), *flags, *more]
                done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=True)
                self.keep(f"order-{name}{'-arriving' if more else ''}", json.loads(done.stdout.splitlines()[-1]))

    def overload(self):
        """Three times what the relay can take, and what it makes of it."""
        for engine in ("sqlite", "postgres"):
            self.keep(f"overload-{engine}", overload_bench.overload(self.directory, engine, self.long_seconds))

    def neighbour(self):
        """What one workspace's dead hosts and flood cost another."""
        for engine in ("sqlite", "postgres"):
            server = self.server if engine == "postgres" else None
            self.keep(f"neighbour-{engine}", neighbour_bench.neighbour(self.directory, server, self.long_seconds))

    def tunnel(self):
        """The tunnel's two ends beside bare TLS and beside other tunnels."""
        bench = tunnel_bench.TunnelBench(self.directory, self.seconds, self.keep)
        bench.run()
        self.tables.append(bench.table)

    def nodes(self, count):
        """Each node is sent its share; what counts is what all of them have delivered and recorded."""
        first, source = self.relay(f"nodes{count}-1", self.server.database())
        nodes = [first]
        for n in range(2, count + 1):
            nodes.append(Relay(self.directory / f"nodes{count}-{n}", env={"POSTERN_LOG_LEVEL": "warn"})
                         .join_cluster_of(first).start())
        sink, url = self.sink()
        first.api.route(source, first.api.destination("sink", "http", url + "/", concurrency=256))
        time.sleep(3)  # the others read the configuration
        self.flood(nodes, count, min(1, self.seconds))
        start, cpu = sum(map(self.delivered, nodes)), self.cpu_of(nodes)
        began = time.monotonic()
        self.flood(nodes, count, self.seconds)
        took = max(self.settle(node) for node in nodes) - began
        done = sum(map(self.delivered, nodes)) - start
        spent = {name: round((now - cpu[name]) / done * 1e6, 3) for name, now in self.cpu_of(nodes).items()}
        self.keep(f"deliver-{count}-nodes", {"per_second": round(done / took), **spent})
        for node in nodes:
            node.kill()
        sink.kill()

    def cpu_of(self, nodes):
        commits = self.server.query("SELECT sum(xact_commit) FROM pg_stat_database")[0]
        return {"relay_cpu_us": sum(cpu_seconds(node.process.pid) for node in nodes),
                "server_cpu_us": cpu_of_tree(self.server.child.pid), "commits": float(commits) / 1e6}

    def flood(self, nodes, count, seconds):
        """64 senders, shared out among the nodes."""
        loads = [Process([BIN / "bench_load", "--port", node.ports["ingest"], "--path", "/in/default/bench", "--secret",
                          SECRET, "--connections", 64 // count, "--seconds", seconds, "--rate", 0],
                         self.directory / f"load{count}-{n}.log") for n, node in enumerate(nodes)]
        for each in loads:
            each.child.wait()

    def connected(self, name, kind):
        relay, source = self.relay(name)
        sink, url = self.sink()
        agent = Agent(self.directory / f"{name}-agent", relay, "bench", [url[7:]]).join() if kind == "agent" else None
        extra = {"agent_id": agent.id} if agent else {}
        relay.api.route(source, relay.api.destination("sink", kind, url + "/", concurrency=256, **extra))
        return relay, agent, sink, url

    def delivered(self, relay):
        text = http.send("GET", relay.admin + "/metrics").body.decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if line.startswith("postern_delivery_attempts_total") and 'outcome="delivered"' in line)

    def deliver(self, kind):
        """All at once: events come in as fast as they can, and every one is delivered and recorded."""
        name = f"deliver-{kind}"
        relay, agent, sink, url = self.connected(name, kind)
        load(relay.ports["ingest"], "/in/default/bench", 64, 1)
        self.settle(relay)
        start, before, began = self.delivered(relay), cpu_seconds(relay.process.pid), time.monotonic()
        figures = load(relay.ports["ingest"], "/in/default/bench", 64, self.seconds)
        self.settle(relay)
        took = time.monotonic() - began
        count = self.delivered(relay) - start
        self.keep(name, {"per_second": round(count / took), "ingested_per_second": figures["per_second"],
                         "relay_cpu_us": round((cpu_seconds(relay.process.pid) - before) / max(1, count) * 1e6, 1)})
        if agent:
            self.drain(relay, agent)
        self.end(relay, agent, sink)

    def drain(self, relay, agent):
        """A backlog: what the agent missed flows when it is back, and nothing else competes for the machine."""
        agent.stop()
        load(relay.ports["ingest"], "/in/default/bench", 64, self.seconds)
        start = self.delivered(relay)
        agent.run()
        began = time.monotonic()
        took = self.settle(relay) - began
        count = self.delivered(relay) - start
        self.keep("drain-agent", {"per_second": round(count / max(took, 0.001)), "backlog": int(count)})

    def settle(self, relay, quiet=0.6):
        """Waits until no delivery has been recorded for a moment; returns when the last one was."""
        seen, since = self.delivered(relay), time.monotonic()
        while time.monotonic() - since < quiet:
            time.sleep(0.05)
            now = self.delivered(relay)
            if now != seen:
                seen, since = now, time.monotonic()
        return since

    def latency(self, kind, rate=1000):
        relay, agent, sink, url = self.connected(f"latency-{kind}", kind)
        load(relay.ports["ingest"], "/in/default/bench", 16, 1, rate)
        self.settle(relay)
        http.send("GET", url + "/stats")
        load(relay.ports["ingest"], "/in/default/bench", 16, self.seconds, rate)
        self.settle(relay)
        figures = http.send("GET", url + "/stats").json()
        self.keep(f"post-to-app-{kind}", {"at_per_second": rate, **figures})
        self.end(relay, agent, sink)

    def memory(self):
        """The first agents pay for pools that all share; what each further one costs is what counts."""
        relay, _ = self.relay("memory")
        self.keep("idle-relay", {"resident_kib": resident_kib(relay.process.pid)})
        agents, before = [], 0
        for number in range(80):
            if number == 16:
                before = resident_kib(relay.process.pid)
            agents.append(Agent(self.directory / f"idle-{number}", relay, f"idle-{number}", ["127.0.0.1:1"]).join())
        grown = resident_kib(relay.process.pid) - before
        self.keep("idle-agent-session", {"relay_kib_per_session": round(grown / 64, 1),
                                         "agent_resident_kib": resident_kib(agents[0].process.pid)})
        for agent in agents:
            agent.kill()
        relay.kill()

    def end(self, relay, agent, sink):
        if agent:
            agent.kill()
        relay.kill()
        sink.kill()

    # -- the table --------------------------------------------------------------------------------------------------
    def ratio(self, name, of, figure="per_second"):
        if name in self.results and of in self.results:
            return self.results[name][figure] / self.results[of][figure]
        return None

    def table(self):
        print(f"\n{'':22}{'per second':>12}{'p50 µs':>10}{'p99 µs':>10}{'CPU µs':>9}  ratio")
        for name, r in self.results.items():
            if name.startswith("tunnel "):
                continue
            ratio = self.ratio(name, name.replace("ingest", "bare-sqlite")) if name.startswith("ingest-") else None
            if name.startswith("postgres-ingest-"):
                ratio = self.ratio(name, name.replace("postgres-ingest", "bare-postgres"))
            told = f"{ratio:.2f} of the bare writer" if ratio else ""
            cell = lambda key: r[key] if key in r else ""
            if "per_second" in r or "p50_us" in r:
                print(f"{name:22}{cell('per_second'):>12}{cell('p50_us'):>10}{cell('p99_us'):>10}"
                      f"{cell('cpu_us_per_request') or cell('relay_cpu_us'):>9}  {told}")
            else:
                print(f"{name:22}" + ", ".join(f"{k} {v}" for k, v in r.items()))


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("--seconds", type=float, default=5, help="length of each measurement")
    parser.add_argument("--only", default="bare,ingest,postgres,deliver-http,deliver-agent,latency-http,latency-agent,memory")
    parser.add_argument("--snapshot-seconds", type=float, default=600, help="of --only snapshot")
    parser.add_argument("--long-seconds", type=float, default=20, help="each phase of --only overload,neighbour")
    parser.add_argument("--json", default=str(ROOT / "build" / "bench.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as directory:
        bench = Bench(Path(directory), options.seconds)
        bench.snapshot_seconds, bench.long_seconds = options.snapshot_seconds, options.long_seconds
        try:
            for name in options.only.split(","):
                what, _, kind = name.partition("-")
                getattr(bench, what)(*([kind] if kind else []))
        finally:
            bench.close()
    bench.table()
    for table in bench.tables:
        table()
    Path(options.json).write_text(json.dumps(bench.results, indent=1))
    print(f"\nwritten to {options.json}")


if __name__ == "__main__":
    main()
