"""The agent as a service, with a systemctl that is none."""
import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from harness import fake_systemctl_path
from harness.process import BIN
from harness.wait import eventually
from test_agent import connect, post

pytestmark = pytest.mark.engine("sqlite")


class Host:
    """A root directory with an agent that has joined, as `sudo postern-agent join --only-join` leaves it."""

    def __init__(self, root, agent):
        self.root = root
        self.state = root / "var/lib/postern-agent"
        self.state.parent.mkdir(parents=True)
        agent.stop()
        agent.process = None  # its state goes elsewhere: nothing of it is to be stopped any more
        agent.state.rename(self.state)
        (root / "run/systemd/system").mkdir(parents=True)
        self.unit = root / "etc/systemd/system/postern-agent.service"
        self.variables = root / "etc/postern-agent/postern-agent.env"

    def service(self, *words, answer=""):
        argv = [BIN / "postern-agent", "service", "--root", self.root, "--systemctl", fake_systemctl_path(),
                "--state-dir", self.state, *words]
        return subprocess.run([str(a) for a in argv], env={**os.environ, "FAKE_ROOT": str(self.root)}, input=answer,
                              capture_output=True, text=True, timeout=60)

    def pid(self):
        return int((self.root / "fake/pid").read_text())

    def commands(self):
        asked = ("show", "is-active", "is-enabled")
        return [c for c in (self.root / "fake/commands").read_text().splitlines() if not c.startswith(asked)]

    def close(self):
        if (self.root / "fake/pid").exists():
            self.service("uninstall")


@pytest.fixture
def app(make):
    return make.app()


@pytest.fixture
def host(relay, make, app):
    agent = make.agent(relay, allow=[app.address])
    host = make.closed(Host(make.directory / "host", agent))
    host.agent = agent
    return host


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_installed_updated_and_removed(relay, host, app):
    source = connect(relay, host.agent, app.address)
    done = host.service("install", "--sessions", "3", "--concurrency", "9", "--proxy", "http://ann:geheim@127.0.0.1:1",
                        "--dry-run")
    assert done.returncode == 0 and "DynamicUser=yes" in done.stdout and "geheim" not in done.stdout
    assert not host.unit.exists()
    done = host.service("install", "--sessions", "3", "--concurrency", "9")
    assert done.returncode == 0 and "installed, started and connected" in done.stdout, done.stderr
    assert host.commands() == ["daemon-reload", "enable postern-agent.service", "restart postern-agent.service"]
    assert mode(host.unit) == 0o644 and mode(host.variables) == 0o600
    assert "concurrency = 9" in (host.state / "agent.toml").read_text()
    first = host.pid()
    assert Path(f"/proc/{first}/cmdline").read_bytes().split(b"\0")[1:] == [b"run", b""]
    relay.api.wait_delivery(post(relay, source, b"{}"), "delivered")
    done = host.service("status", "--json")
    said = json.loads(done.stdout)
    assert done.returncode == 0 and said["service"]["active"] == "active" and said["service"]["process"] == str(first)
    assert eventually(lambda: host.service("status").stdout.count("live (probed") == 3)
    # The same again: the new process goes on as the same agent, by the same file.
    done = host.service("install", "--sessions", "3", "--concurrency", "9")
    assert done.returncode == 0, done.stderr
    assert host.pid() != first and not Path(f"/proc/{first}").exists()
    relay.api.wait_delivery(post(relay, source, b'{"again":1}'), "delivered")
    done = host.service("uninstall")
    assert done.returncode == 0 and f"kept in {host.state}" in done.stdout
    assert not host.unit.exists() and not host.variables.exists() and (host.state / "state.json").exists()
    assert host.service("status").returncode == 1
    assert host.service("uninstall").stderr.startswith("postern-agent: There is no ")
    done = host.service("uninstall", "--purge", answer="no\n")
    assert done.returncode == 1 and "[not_confirmed]" in done.stderr and host.state.exists()
    assert host.service("uninstall", "--purge", answer="yes\n").returncode == 0 and not host.state.exists()


def test_what_is_in_the_way_is_said_before_anything_changes(relay, make, host):
    by_hand = host.agent
    by_hand.state = host.state
    by_hand.run()
    done = host.service("install")
    assert done.returncode == 1 and "[already_running]" in done.stderr and not host.unit.exists()
    by_hand.stop()
    (host.root / "run/systemd/system").rmdir()
    done = host.service("install")
    assert done.returncode == 1 and "not run by systemd" in done.stderr and not host.unit.exists()


def test_it_says_why_it_is_not_connected(relay, host):
    relay.stop()
    done = host.service("install", "--wait", "3s")
    assert done.returncode == 1 and "[not_connected]" in done.stderr and relay.tunnel in done.stderr, done.stderr
    relay.start()
    assert eventually(lambda: host.service("status").returncode == 0)


def test_an_update_keeps_what_the_service_has(host):
    done = host.service("install", "--sessions", "3", "--exit-on-revoked", "--group", "daemon", "--inspect",
                        "127.0.0.1:0")
    assert done.returncode == 0, done.stderr
    assert 'inspect = "127.0.0.1:0"' in (host.state / "agent.toml").read_text()
    before = host.unit.read_text(), host.variables.read_text()
    shown = host.service("status").stdout
    assert "\nversion " in shown and "\ninspector    http://127.0.0.1:" in shown, shown
    done = host.service("install")
    assert "POSTERN_AGENT_SESSIONS, POSTERN_AGENT_EXIT_ON_REVOKED, daemon, as before" in done.stdout, done.stdout
    assert (host.unit.read_text(), host.variables.read_text()) == before
    done = host.service("install", "--drop", "POSTERN_AGENT_SESSIONS", "--drop", "daemon")
    assert done.returncode == 0 and "SESSIONS" not in host.variables.read_text() + done.stdout
    assert "SupplementaryGroups" not in host.unit.read_text()


def test_what_it_did_not_write_it_does_not_remove(host):
    host.unit.parent.mkdir(parents=True)
    host.unit.write_text("[Service]\nExecStart=/bin/true\n")
    for more in ((), ("--purge", "--yes")):
        done = host.service("uninstall", *more)
        assert done.returncode == 1 and "[not_ours]" in done.stderr
    assert host.unit.exists() and (host.state / "state.json").exists()
    assert not (host.root / "fake/commands").exists()


def test_a_purge_that_is_refused_leaves_the_service_running(host):
    assert host.service("install").returncode == 0
    joined, away = host.state / "state.json", host.root / "away"
    joined.rename(away)
    done = host.service("uninstall", "--purge", "--yes")
    assert done.returncode == 1 and "[invalid_state_dir]" in done.stderr
    away.rename(joined)
    assert host.unit.exists() and host.service("status").returncode == 0
