"""A running agent gives its place to a newer program, and no delivery notices."""
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter

from harness import http, sign
from harness.process import BIN
from harness.wait import eventually
from test_agent import SECRET, connect, post

SLOW = 3.0  # seconds that a slow call takes
SOON = 1.0  # what nobody may wait longer for, on a machine that does nothing else


class Traffic:
    """Events at a steady pace, each with the time it was sent at, and what the app saw of them."""

    def __init__(self, relay, source, app, rate):
        self.sent = {}  # body -> event id
        self._app, self._stop = app, threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(relay, source, 4 / rate, n), daemon=True)
                         for n in range(4)]
        for thread in self._threads:
            thread.start()

    def _run(self, relay, source, pause, number):
        sender, path = http.Sender(relay.ingest), "/" + source["ingest_url"].split("/", 3)[3]
        while not self._stop.is_set():
            body = b'{"by":%d,"at":%r}' % (number, time.monotonic())
            answer = sender.post(path, sign.github(SECRET, body), body)
            assert answer.status == 202, answer
            self.sent[body] = answer.json()["event_id"]
            self._stop.wait(pause)

    def more(self, count):
        """Waits until so many more have been taken."""
        until = len(self.sent) + count
        assert eventually(lambda: len(self.sent) >= until, 30)

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def calls(self):
        """How often the app was called for each of them."""
        eventually(lambda: len({r.body for r in list(self._app.received)}) >= len(self.sent), 30)
        return Counter(r.body for r in self._app.received)

    def slowest(self):
        return max(r.at - float(r.body.split(b":")[-1].rstrip(b"}")) for r in self._app.received)


class Watch:
    """Asks the relay all the time what it says of an agent."""

    def __init__(self, relay, agent):
        self.seen = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(relay, agent), daemon=True)
        self._thread.start()

    def _run(self, relay, agent):
        while not self._stop.wait(0.01):
            self.seen[relay.api.get(f"agents/{agent.id}")["connection"]] += 1

    def stop(self):
        self._stop.set()
        self._thread.join()
        return self.seen


def own_binary(make):
    """A copy that a test may replace, as a package does."""
    path = make.directory / "bin" / "postern-agent"
    path.parent.mkdir()
    shutil.copy2(BIN / "postern-agent", path)
    return path


def replace(path, content):
    new = path.with_suffix(".new")
    new.write_text(content)
    new.chmod(0o755)
    new.rename(path)


def gone(pid):
    return not os.path.exists(f"/proc/{pid}") or open(f"/proc/{pid}/stat").read().split(") ")[1][0] == "Z"


def healthy(relay, agent):
    assert relay.api.get(f"agents/{agent.id}")["copy_suspected"] is None
    assert "agent.replaced" not in agent.log() and "agent.refused" not in agent.log()


def test_ten_upgrades_in_a_row_while_events_flow(relay, make):
    app = make.app()
    slow = make.app(lambda received: (time.sleep(SLOW), 200)[1])
    agent = make.agent(relay, allow=[app.address, slow.address], binary=own_binary(make))
    source, slow_source = connect(relay, agent, app.address), connect(relay, agent, slow.address, "slow")
    traffic, watch = Traffic(relay, source, app, 80), Watch(relay, agent)
    crawl, pids = Traffic(relay, slow_source, slow, 8), [agent.pid]
    for _ in range(10):
        traffic.more(40)
        agent.binary.with_suffix(".new").write_bytes((BIN / "postern-agent").read_bytes())
        agent.binary.with_suffix(".new").chmod(0o755)
        agent.binary.with_suffix(".new").rename(agent.binary)
        done = agent.upgrade()
        assert done.returncode == 0 and "has taken over" in done.stdout, done
        pids.append(agent.pid)
        assert agent.status()["pid"] == agent.pid
    for each in (traffic, crawl):
        each.stop()
    seen = watch.stop()
    for each in (traffic, crawl):
        assert each.calls() == Counter(each.sent.keys())
    for event_id in [*traffic.sent.values(), *crawl.sent.values()]:
        assert relay.api.wait_delivery(event_id, "delivered")["attempt_count"] == 1
    print(f"\n{len(traffic.sent)}+{len(crawl.sent)} events, slowest {traffic.slowest():.3f} s, {dict(seen)}")
    assert traffic.slowest() < 3 * SOON and crawl.slowest() < 3 * SOON
    assert set(seen) == {"live"}
    assert len(set(pids)) == 11 and eventually(lambda: all(gone(pid) for pid in pids[:-1]), 20)
    healthy(relay, agent)


def test_a_call_outlives_its_process_and_its_session(relay, make):
    """The line breaks while the process before still works on it: the new one waits for its word."""
    go_on = threading.Event()
    app = make.app(lambda received: go_on.wait(20) and 200)
    agent = make.agent(relay, allow=[app.address])
    source = connect(relay, agent, app.address, retry_schedule=["0"] * 5)
    event_id = post(relay, source, b"{}")
    app.wait(1)
    older = agent.pid
    assert agent.upgrade().returncode == 0
    relay.kill()
    relay.start()
    assert eventually(lambda: relay.api.get(f"agents/{agent.id}")["connection"] == "live")
    assert not gone(older)
    go_on.set()
    relay.api.wait_delivery(event_id, "delivered")
    assert len(app.received) == 1 and eventually(lambda: gone(older))


def test_a_program_that_fails_changes_nothing(relay, make):
    app = make.app()
    agent = make.agent(relay, allow=[app.address], binary=own_binary(make))
    source = connect(relay, agent, app.address)
    watch, before = Watch(relay, agent), agent.pid
    replace(agent.binary, "#!/bin/sh\nexit 7\n")
    done = agent.upgrade()
    assert done.returncode == 1 and "ended with status 7" in done.stderr, done
    agent.binary.unlink()
    done = agent.upgrade()
    assert done.returncode == 1 and "cannot be started" in done.stderr, done
    failed = agent.status()["failed_upgrade"]
    assert "cannot be started" in failed["error"]["message"] and agent.pid == before
    shutil.copy2(BIN / "postern-agent", agent.binary)
    agent.configure("concurency = 3\n")
    done = agent.upgrade()
    assert done.returncode == 1 and "did you mean concurrency" in done.stderr, done
    agent.configure("")
    relay.api.wait_delivery(post(relay, source, b"{}"), "delivered")
    assert set(watch.stop()) == {"live"}
    assert agent.upgrade().returncode == 0 and agent.pid != before
    relay.api.wait_delivery(post(relay, source, b'{"n":2}'), "delivered")
    healthy(relay, agent)


def test_the_process_before_is_killed_at_any_moment(relay, make):
    app = make.app()
    agent = make.agent(relay, allow=[app.address])
    source = connect(relay, agent, app.address, retry_schedule=["0"] + ["200ms"] * 20)
    traffic = Traffic(relay, source, app, 120)
    moments = random.Random(4)
    for _ in range(12):
        traffic.more(15)
        older = agent.pid
        os.kill(older, signal.SIGUSR2)
        time.sleep(moments.uniform(0, 0.08))
        try:
            os.kill(older, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it was quicker
        # The signal may have come before the successor was there; then nobody is.
        if not eventually(lambda: agent.pid != older, 3):
            agent.process.child.wait()
            agent.run()
    traffic.stop()
    for event_id in traffic.sent.values():
        relay.api.wait_delivery(event_id, "delivered")
    calls = traffic.calls()
    assert set(calls) == set(traffic.sent)
    again = [body for body, count in calls.items() if count > 1]
    print(f"\n{len(traffic.sent)} events, {len(again)} called again")
    # Only what an app was working on when the process died may come again.
    assert len(again) <= 12 * 4
    healthy(relay, agent)


def test_the_new_process_is_killed_before_it_has_taken_over(relay, make):
    """What it was given comes back to the one that serves."""
    app = make.app()
    agent = make.agent(relay, allow=[app.address], binary=own_binary(make))
    source = connect(relay, agent, app.address)
    traffic, before = Traffic(relay, source, app, 60), agent.pid
    for delay in ("0", "0.005", "0.01", "0.015", "0.02", "0.03"):
        # What is there now starts the real one, and kills it a moment later.
        replace(agent.binary, f'#!/bin/bash\n"{BIN}/postern-agent" "$@" &\nsleep {delay}\nkill -9 $!\nwait\nexit 9\n')
        done = agent.upgrade()
        if agent.pid != before:
            break  # it was quicker than that
        assert done.returncode == 1, done
    traffic.stop()
    # One that was killed when it had just taken over leaves nobody: the one before it ends with its last call.
    if agent.pid != before or eventually(lambda: agent.process.child.poll() is not None, 2):
        agent.process.child.wait()
        agent.binary = BIN / "postern-agent"
        agent.run()
    for event_id in traffic.sent.values():
        relay.api.wait_delivery(event_id, "delivered")
    assert set(traffic.calls()) == set(traffic.sent)
    healthy(relay, agent)


def test_the_new_process_is_killed_after_it_has_taken_over(relay, make):
    """Nobody serves then. The one before leaves what comes of its call to the next one, and does not keep it waiting."""
    go_on = threading.Event()
    app = make.app(lambda received: go_on.wait(20) and 200)
    agent = make.agent(relay, allow=[app.address])
    source = connect(relay, agent, app.address, retry_schedule=["0"] + ["200ms"] * 50)
    event_id = post(relay, source, b"{}")
    app.wait(1)
    older = agent.pid
    assert agent.upgrade().returncode == 0
    relay.kill()  # nobody is told of the answer now
    os.kill(agent.pid, signal.SIGKILL)
    assert eventually(lambda: "agent.successor_died" in agent.log() and agent.pid == older)
    failed = eventually(lambda: agent.status()["failed_upgrade"])
    assert "ended by signal 9" in failed["error"]["message"]
    go_on.set()
    assert agent.process.child.wait(10) == 1
    relay.start()
    agent.run()
    relay.api.wait_delivery(event_id, "delivered")
    assert len(app.received) == 1


def test_who_is_stopped_in_the_middle_stops_as_a_whole(relay, make):
    agent = make.agent(relay, allow=["localhost:1"], binary=own_binary(make))
    replace(agent.binary, "#!/bin/sh\nexec sleep 600\n")
    agent.process.signal(signal.SIGUSR2)
    assert eventually(lambda: "agent.upgrade successor=" in agent.log())
    successor = int(agent.log().split("agent.upgrade successor=")[1].split()[0])
    assert not gone(successor)
    assert agent.process.stop() == 0
    assert gone(successor)


def test_whoever_supervises_it_is_told(relay, make):
    supervisor = make.closed(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    supervisor.bind(str(make.directory / "notify"))
    supervisor.settimeout(20)
    agent = make.agent(relay, allow=["localhost:1"], env={"NOTIFY_SOCKET": str(make.directory / "notify")})
    heard = []

    def listen():
        while not heard or not heard[-1].startswith("MAINPID="):
            heard.append(supervisor.recv(400).decode())

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    assert agent.upgrade().returncode == 0
    listener.join(20)
    assert heard[-1] == f"MAINPID={agent.pid}", heard
    assert "READY=1" in heard, heard


def test_nothing_to_upgrade(relay, make):
    agent = make.agent(relay, allow=["localhost:1"])
    agent.stop()
    done = agent.upgrade()
    assert done.returncode == 1 and "No agent runs" in done.stderr, done


def test_only_an_agent_of_the_owner_is_signalled(relay, make):
    """The files that say which process it is belong to whoever the agent runs as; upgrade may be run by root."""
    agent = make.agent(relay, allow=["localhost:1"])
    other = subprocess.Popen(["sleep", "600"])
    try:
        status = json.loads((agent.state / "status.json").read_text())
        (agent.state / "lock").write_text(f"{other.pid}\n")
        for _ in range(5):  # the agent writes the status too
            (agent.state / "status.json").write_text(json.dumps({**status, "pid": other.pid}))
            done = agent.upgrade()
            if "too_old" not in done.stderr:
                break
        assert done.returncode == 1 and f"Process {other.pid}" in done.stderr and "left alone" in done.stderr, done
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
        (agent.state / "lock").write_text(f"{agent.process.pid}\n")


def test_who_may_be_watched_stays(relay, make):
    agent = make.agent(relay, allow=["localhost:1"], env={"POSTERN_AGENT_UNSUPERVISED": "false"})
    before = agent.pid
    done = agent.upgrade()
    assert done.returncode == 1 and "--unsupervised" in done.stderr, done
    assert agent.pid == before
