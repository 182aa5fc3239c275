"""Secrets that change, copied state directories, and the relay's own certificate, with the real programs."""
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from harness.process import BIN, Process
from harness.wait import eventually
from test_agent import connect, post


def state_of(relay, agent):
    return relay.api.get(f"agents/{agent.id}")


def audited(relay):
    return [entry["action"] for entry in relay.api.items("audit?limit=200")]


def run_in(directory, name, *more):
    return Process([BIN / "postern-agent", "run", "--state-dir", directory / name, *more], directory / f"{name}.log")


def test_a_secret_changes_while_deliveries_flow_and_the_old_one_is_worth_nothing(relay, make):
    app = make.app()
    agent = make.agent(relay, allow=[app.address])
    source = connect(relay, agent, app.address)
    shutil.copytree(agent.state, agent.directory / "old")
    sent = [post(relay, source, b'{"n":%d}' % n) for n in range(50)]
    assert relay.api.post(f"agents/{agent.id}/rotate")["rotation"] == "asked"
    assert eventually(lambda: state_of(relay, agent)["key_epoch"] == 1)
    sent += [post(relay, source, b'{"m":%d}' % n) for n in range(50)]
    for event_id in sent:
        relay.api.wait_delivery(event_id, "delivered")
    assert len(app.received) == len(sent)
    shown = state_of(relay, agent)
    assert shown["key_epoch"] == 1 and shown["rotation"] is None and shown["rotated_at"] and shown["copy_suspected"] is None
    assert eventually(lambda: "agent.secret_rotated" in audited(relay))
    thief = run_in(agent.directory, "old", "--exit-on-revoked")
    assert thief.child.wait(20) == 3
    # By the agent's own wish; and after kills of both the secret it ended with is good.
    asked = subprocess.run([BIN / "postern-agent", "rotate", "--state-dir", agent.state], capture_output=True, text=True)
    assert asked.returncode == 0 and "has been changed" in asked.stdout, asked
    assert eventually(lambda: state_of(relay, agent)["key_epoch"] == 2)
    agent.kill()
    relay.kill()
    relay.start()
    agent.run()
    relay.api.wait_delivery(post(relay, source, b"{}"), "delivered")


def test_a_copy_of_the_state_is_noticed_shown_and_refused(relay, make):
    app = make.app()
    agent = make.agent(relay, allow=[app.address])
    connect(relay, agent, app.address)
    agent.kill()
    shutil.copytree(agent.state, agent.directory / "copy")
    agent.run()  # kill -9 and a new process: no alarm
    agent.kill()
    agent.run()
    assert state_of(relay, agent)["copy_suspected"] is None
    copy = run_in(agent.directory, "copy")
    try:
        alarm = eventually(lambda: state_of(relay, agent)["copy_suspected"])
        assert alarm["from"].startswith("127.0.0.1:") and alarm["at"]
        assert eventually(lambda: "agent.copy_suspected" in audited(relay))
    finally:
        copy.kill()
    agent.kill()
    shutil.copytree(agent.state, agent.directory / "late")
    agent.run()
    assert relay.api.post(f"agents/{agent.id}/clear-copy")["copy_suspected"] is None
    agent.kill()
    agent.run()
    assert relay.api.ok("PATCH", f"agents/{agent.id}", {"on_copy": "deny"})["on_copy"] == "deny"
    late = run_in(agent.directory, "late")
    try:
        assert eventually(lambda: "agent.replaced" in late.tail())
        assert eventually(lambda: state_of(relay, agent)["copy_suspected"])
        assert agent.process.alive() and state_of(relay, agent)["present"]
        assert agent.log().count("agent.disconnected") == 0
    finally:
        late.kill()


@pytest.mark.engine("sqlite")
def test_a_check_that_is_broken_off_is_no_copy(relay, make):
    app = make.app()
    agent = make.agent(relay, allow=[app.address])
    agent.stop()
    doctor = [BIN / "postern-agent", "doctor", "--state-dir", agent.state]

    def instance():
        return json.loads((agent.state / "state.json").read_text())["instance"]

    before = instance()
    assert subprocess.run(doctor, capture_output=True).returncode == 0
    assert instance() != before
    # Killed between its login and its end, at any moment: whoever follows says whom.
    for delay in range(8):
        visit = subprocess.Popen(doctor, stdout=subprocess.DEVNULL)
        known = instance()
        while instance() == known and visit.poll() is None:
            pass
        time.sleep(delay / 500)
        visit.kill()
        visit.wait()
        agent.run()
        agent.stop()
    assert state_of(relay, agent)["copy_suspected"] is None


def new_key(name):
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", name],
                   check=True, capture_output=True)
    return name


def self_signed(name, key, subject, *more):
    subprocess.run(["openssl", "req", "-x509", "-key", key, "-out", name, "-subj", f"/CN={subject}", "-days", "90", *more],
                   check=True, capture_output=True)
    return name


def test_a_renewed_certificate_is_shown_without_a_restart_and_nobody_is_dropped(make, tmp_path):
    key = new_key(tmp_path / "tunnel.key")
    certificate = self_signed(tmp_path / "tunnel.crt", key, "first")
    relay = make.relay(env={"POSTERN_TUNNEL_CERTIFICATE_FILE": str(certificate), "POSTERN_TUNNEL_KEY_FILE": str(key)})
    app = make.app()
    agent = make.agent(relay, allow=[app.address])
    source = connect(relay, agent, app.address)
    certificate.write_bytes(b"this is no certificate")
    assert eventually(lambda: "tunnel.certificate_kept" in relay.log(), timeout=5)
    relay.api.wait_delivery(post(relay, source, b"{}"), "delivered")
    # The same key, a new certificate: whoever pinned it goes on.
    os.replace(self_signed(tmp_path / "new.crt", key, "renewed"), certificate)
    relay.process.signal(signal.SIGHUP)
    assert eventually(lambda: "tunnel.certificate_reloaded" in relay.log(), timeout=5)
    assert agent.log().count("agent.disconnected") == 0
    agent.stop()
    agent.run()
    relay.api.wait_delivery(post(relay, source, b"{}"), "delivered")


@pytest.mark.engine("sqlite")
def test_an_announced_key_follows_without_joining_again(make, tmp_path):
    self_signed(tmp_path / "next.crt", new_key(tmp_path / "next.key"), "next")
    relay = make.relay(env={"POSTERN_TUNNEL_NEXT_KEY_FILE": str(tmp_path / "next.crt")})
    app = make.app()
    agent = make.agent(relay, allow=[app.address])
    source = connect(relay, agent, app.address)
    shutil.copy(tmp_path / "next.crt", relay.data / "tunnel.crt")
    shutil.copy(tmp_path / "next.key", relay.data / "tunnel.key")
    assert eventually(lambda: "tunnel.certificate_reloaded" in relay.log(), timeout=5)
    agent.stop()
    agent.run()
    relay.api.wait_delivery(post(relay, source, b"{}"), "delivered")


@pytest.mark.engine("sqlite")
def test_a_ca_may_vouch_for_the_relay_in_place_of_its_key(make, tmp_path):
    def certificate(name, san):
        self_signed(tmp_path / f"{name}.crt", new_key(tmp_path / f"{name}.key"), name, "-addext", f"subjectAltName={san}")

    certificate("right", "IP:127.0.0.1")
    certificate("other", "DNS:other.example")
    relay = make.relay(env={"POSTERN_TUNNEL_CERTIFICATE_FILE": str(tmp_path / "right.crt"),
                            "POSTERN_TUNNEL_KEY_FILE": str(tmp_path / "right.key")})

    def join(name, ca):
        info = relay.api.post("agents", {"name": name})
        token = tmp_path / f"{name}.token"
        token.write_text(relay.api.post(f"agents/{info['id']}/enrollment")["join_token"])
        return subprocess.run([BIN / "postern-agent", "join", "--join-file", token, "--state-dir", tmp_path / name,
                               "--only-join", "--ca", ca], capture_output=True, text=True, timeout=60)

    assert join("good", tmp_path / "right.crt").returncode == 0
    for name, ca in (("system", "system"), ("wrong", tmp_path / "other.crt")):
        done = join(name, ca)
        assert done.returncode != 0 and "untrusted" in done.stderr, done
