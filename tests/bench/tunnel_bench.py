"""The tunnel beside bare TLS and beside other tunnels, everything encrypted, in one run on one machine."""
import json
import re
import resource
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from common import cpu_seconds
from harness.fault_proxy import FaultProxy
from harness.herd import AgentHost, add_agents
from harness.process import BIN, Process
from harness.relay import Relay
from harness.wait import eventually
from tunnel_peers import PEERS

PROGRAM = BIN / "bench_tunnel"
IN_FLIGHT = (1, 64, 256)
WAYS_MS = 25  # each way: 50 ms there and back
IDLE = (1000, 10_000)  # sessions
OWN = ("bare", "gathered", "ours")  # all others are peers
WARM = 200
WARM_UP = 0.2  # of the time, before what counts: tests/bench/tunnel/figures.hpp
OPEN_FILES = 65_536
ROUNDS = 3  # of what ratios are made of, in turn: a machine that is held up for a second spoils one of them

# What is measured of everything: name -> flags of the load.
SMALL = {f"small-{n}": ["--in-flight", n] for n in IN_FLIGHT}
BULK = {"bulk-1": ["--in-flight", 0, "--streams", 1], "bulk-16": ["--in-flight", 0, "--streams", 16]}
BESIDE = {"small-beside-bulk": ["--in-flight", 1, "--streams", 1]}


def _cpu_of_ended():
    """Of all children that have been waited for."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _run(*argv):
    done = subprocess.run([str(a) for a in (PROGRAM, *argv)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr or done.stdout)
    return json.loads(done.stdout)


@contextmanager
def _server(directory, name, *argv):
    process = Process([PROGRAM, *argv], directory / f"{name}.log")
    try:
        words = dict(word.split("=") for word in process.wait_line("ready ").split()[1:])
        yield process, int(words["port"]), words["pin"]
    finally:
        process.kill()


@contextmanager
def _delay(milliseconds):
    """How a port is reached: directly, or by a proxy that takes so long each way."""
    with ExitStack() as stack:
        def through(port):
            if not milliseconds:
                return port
            proxy = stack.enter_context(closing(FaultProxy(f"127.0.0.1:{port}")))
            proxy.do(f"latency {milliseconds}")
            return proxy.port
        yield through


def _resident_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1))


def _affordable():
    """How many idle sessions a relay takes here: a quarter of the files it may open, less those that warm it up."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(hard, OPEN_FILES), max(hard, OPEN_FILES)))
        hard = max(hard, OPEN_FILES)
    except ValueError:
        pass  # not ours to raise
    return hard // 4 - 2 * WARM


class TunnelBench:
    """`keep(name, figures)` takes each result. Figures of one run compare, others do not."""

    def __init__(self, directory, seconds, keep):
        self.directory, self.seconds, self._keep = directory, seconds, keep
        self.results, self.idle = {}, []  # of several rounds the one in the middle
        self._rounds = {}

    def run(self):
        for delay in (0, WAYS_MS):
            with _delay(delay) as through:
                suffix = f"+{2 * delay}ms" if delay else ""
                for what, flags in {**SMALL, **BULK, **BESIDE}.items():
                    for _ in range(1 if delay else ROUNDS):
                        self.bare(through, suffix, what, flags)
                        self.ours(through, suffix, what, flags)
                self.peers(through, suffix)
        self.memory()

    def keep(self, who, what, suffix, figures, cpu=None):
        """`cpu`: seconds that both ends have spent. It tells more than the rate on a machine that is not quiet."""
        latency = figures["latency"]
        shown = {}
        if latency["count"]:
            shown = {"per_second": figures["per_second"], **{q: latency[q] for q in ("p50_us", "p99_us", "p999_us")}}
            if cpu is not None:
                shown["cpu_us"] = round(cpu / (latency["count"] * (1 + WARM_UP)) * 1e6, 2)
        if figures["mb_per_second"]:
            shown["mb_per_second"] = figures["mb_per_second"]
        rounds = self._rounds.setdefault((who, what + suffix), [])
        rounds.append(shown)
        rounds.sort(key=lambda one: one.get("per_second", one.get("mb_per_second")))
        self.results[who, what + suffix] = rounds[len(rounds) // 2]
        self._keep(f"tunnel {who} {what}{suffix}", self.results[who, what + suffix])

    def bare(self, through, suffix, what, flags):
        """Bulk through bare TLS, and a bare echo of frames, one by one and gathered: what this machine can do at all."""
        if what in BESIDE:
            return
        ways = [("bare", "raw", [])]
        if what in SMALL:
            ways = [("bare", "echo", []), ("gathered", "echo", ["--gather"])]
        with _server(self.directory, "raw", "serve-raw") as (server, port, pin):
            reach = ["--port", through(port), "--pin", pin, "--seconds", self.seconds]
            for who, load, how in ways:
                before = _cpu_of_ended() + cpu_seconds(server.pid)
                figures = _run(load, *reach, *flags, *how)
                self.keep(who, what, suffix, figures, _cpu_of_ended() + cpu_seconds(server.pid) - before)

    def ours(self, through, suffix, what, flags):
        before = _cpu_of_ended()
        with _server(self.directory, "relay", "relay", "--seconds", self.seconds, *flags) as (relay, port, pin):
            agent = Process([PROGRAM, "agent", "--port", through(port), "--pin", pin], self.directory / "agent.log")
            line = relay.wait_line("{", timeout=60 + 3 * self.seconds)
            agent.kill()
        self.keep("ours", what, suffix, json.loads(line), _cpu_of_ended() - before)

    def peers(self, through, suffix):
        with _server(self.directory, "tcp", "serve-tcp") as (_, server, _pin):
            for kind in PEERS:
                with closing(kind(self.directory, server, through)) as peer:
                    if peer.missing:
                        print(f"   {peer.name}: not found: {', '.join(peer.missing)}", file=sys.stderr)
                        continue
                    for what, flags in {**SMALL, **BULK, **BESIDE}.items():
                        self.keep(peer.name, what, suffix,
                                  _run("tcp", "--port", peer.port, "--seconds", self.seconds, *flags))

    def memory(self):
        """What an idle session costs the real relay. The first pay for pools that all share, and are not counted."""
        counts = (IDLE[0], min(IDLE[1], _affordable()))
        if counts[1] < IDLE[1]:
            print(f"   so few files may be open here that a relay takes {counts[1]} idle sessions", file=sys.stderr)
        relay = Relay(self.directory / "idle", env={"POSTERN_LOG_LEVEL": "warn"}).start()
        agents = add_agents(relay, WARM + counts[1])
        with ExitStack() as stack:
            stack.callback(lambda: relay.kill())
            self._hold(stack, relay, "warm", agents[:WARM])
            before, held = _resident_kib(relay.process.pid), WARM
            for count in counts:
                self._hold(stack, relay, f"idle-{count}", agents[held:WARM + count])
                held = WARM + count
                grown = _resident_kib(relay.process.pid) - before
                self._keep(f"tunnel idle-{count}", {"relay_kib_per_session": round(grown / count, 1)})
                self.idle.append(f"{count:,} idle sessions: {grown / count:.1f} KiB each on the relay (aim 24)")

    def _hold(self, stack, relay, name, agents):
        host = stack.enter_context(closing(AgentHost(relay, self.directory / name, agents)))
        if not eventually(lambda: host.counts()["connected"] == len(agents), 120):
            raise RuntimeError(f"{name}: {host.counts()} of {len(agents)}")
        time.sleep(1)  # what their handshakes needed is given back

    # -- the table --------------------------------------------------------------------------------------------------
    def table(self):
        """One row a measurement, one column a tunnel; then what was aimed at."""
        whos = list(dict.fromkeys(who for who, _ in self.results))
        print(f"\n{'requests/s, p50/p99/p99.9 µs; or MB/s':24}" + "".join(f"{who:>36}" for who in whos))
        for what in dict.fromkeys(what for _, what in self.results):
            print(f"{what:24}" + "".join(f"{self._cell(self.results.get((who, what))):>36}" for who in whos))
        for line in [*self.aims(), *self.idle]:
            print(line)

    @staticmethod
    def _cell(figures):
        if not figures:
            return ""
        small = ""
        if "per_second" in figures:
            small = "{per_second:,.0f}  {p50_us:,.0f}/{p99_us:,.0f}/{p999_us:,.0f}".format(**figures)
        bulk = "{mb_per_second:,.0f} MB/s".format(**figures) if "mb_per_second" in figures else ""
        return "  ".join(part for part in (small, bulk) if part)

    def aims(self):
        def ratio(what, figure, of="bare", than=None):
            ours, other = self.results[("ours", what)], self.results[(of, than or what)]
            return ours[figure] / other[figure]

        for what in BULK:
            yield f"{what}: {ratio(what, 'mb_per_second'):.2f} of bare TLS (aim 0.8)"
        for what in SMALL:
            yield (f"{what}: {ratio(what, 'per_second'):.2f} of the bare echo (aim 0.7), "
                   f"{ratio(what, 'per_second', of='gathered'):.2f} of the gathered one; CPU {ratio(what, 'cpu_us'):.1f} and "
                   f"{ratio(what, 'cpu_us', of='gathered'):.1f} times theirs")
        for suffix in ("", f"+{2 * WAYS_MS}ms"):
            beside = ratio(f"small-beside-bulk{suffix}", "p99_us", of="ours", than=f"small-1{suffix}")
            yield f"small-beside-bulk{suffix}: p99 {beside:.1f} times that without bulk (aim 2)"
        peers = {who for who, _ in self.results} - set(OWN)
        for what in SMALL if peers else ():
            best, who = max((self.results[who, what]["per_second"], who) for who in peers)
            yield f"{what}: {self.results['ours', what]['per_second'] / best:.2f} of the best peer, {who}"
