"""What an agent may reach, and by which port the relay."""
import json
import subprocess

import pytest

from harness.app import closed_port
from harness.process import BIN
from harness.tls import Certificate
from harness.wait import eventually
from test_agent import SECRET, connect, post

pytestmark = pytest.mark.engine("sqlite")


def send_to(relay, agent, url, name):
    """One event to an app by its URL; its first attempt."""
    source = relay.api.source(f"from-{name}", "github", [SECRET])
    destination = relay.api.destination(name, "agent", url, agent_id=agent.id, retry_schedule=["0"])
    relay.api.route(source, destination)
    event_id = post(relay, source, b"{}")
    delivery = relay.api.deliveries(event_id)[0]["id"]
    attempts = eventually(lambda: relay.api.delivery(delivery)["attempts"])
    assert (attempts[0]["outcome"] == "delivered") == name.startswith("good"), attempts
    return attempts[0]


def test_a_unix_socket(relay, make):
    path = make.directory / "app.sock"
    app = make.app(path=path)
    agent = make.agent(relay, allow=[f"POST unix:{path}:/hooks/"])
    url = "http+unix://" + str(path).replace("/", "%2F")
    assert send_to(relay, agent, f"{url}/hooks/a?b=1", "good")["url"].lower() == f"{url}/hooks/a?…".lower()
    assert app.received[0].target == "/hooks/a?b=1" and app.received[0].headers["host"] == "localhost"
    for name, target in (("path", "/admin"), ("climb", "/hooks/%2e%2e/admin")):
        assert send_to(relay, agent, url + target, name)["error_code"] == "request_not_allowed"
    assert send_to(relay, agent, url.replace("app.sock", "other.sock") + "/hooks/", "socket")["error_code"] == "not_allowed"
    assert len(app.received) == 1
    done = subprocess.run([BIN / "postern-agent", "doctor", "--state-dir", agent.state], capture_output=True, text=True)
    assert done.returncode == 0 and f"unix:{path}:/hooks/" in done.stdout, done.stdout


def test_limits_of_method_and_path_and_a_whole_host(relay, make):
    app, other = make.app(), make.app()
    agent = make.agent(relay, allow=[f"POST|PUT {app.address}/hooks", "localhost:*"])
    send_to(relay, agent, f"http://{app.address}/hooks/a", "good")
    assert send_to(relay, agent, f"http://{app.address}/hooksmith", "boundary")["error_code"] == "request_not_allowed"
    send_to(relay, agent, f"http://localhost:{other.port}/any", "good-host")
    assert [r.target for r in app.received + other.received] == ["/hooks/a", "/any"]


def test_an_https_app_is_known_by_its_key(relay, make):
    certificate, another = Certificate(make.directory, "app"), Certificate(make.directory, "another")
    app, wrong = make.app(tls=certificate), make.app(tls=another)
    agent = make.agent(relay, allow=[f"https://{a.address}#sha256={certificate.pin()}" for a in (app, wrong)])
    send_to(relay, agent, f"https://{app.address}/", "good")
    attempt = send_to(relay, agent, f"https://{wrong.address}/", "wrong")
    assert (attempt["outcome"], attempt["error_code"]) == ("not_sent", "tls_pin_mismatch")
    assert another.pin() in attempt["error_message"]
    assert send_to(relay, agent, f"http://{app.address}/", "plain")["error_code"] == "request_not_allowed"
    assert len(app.received) == 1 and wrong.received == []
    done = subprocess.run([BIN / "postern-agent", "doctor", "--json", "--state-dir", agent.state], capture_output=True,
                          text=True)
    said = {c["name"]: c for c in json.loads(done.stdout)["checks"] if c["name"].startswith("app ")}
    ours, theirs = (said[f"app https://{a.address}#sha256={certificate.pin()}"] for a in (app, wrong))
    assert done.returncode == 1 and ours["verdict"] == "pass", done.stdout
    assert theirs["verdict"] == "fail" and another.pin() in theirs["detail"] and "new key" in theirs["fix"]
    assert len(app.received) == 1 and wrong.received == []  # it only looked


@pytest.mark.parametrize("tls", [False, True])
def test_one_port_for_everything(make, tls):
    port = closed_port()
    flags = ["--tunnel-on-public-port", "true", "--tunnel-public-address", f"127.0.0.1:{port}"]
    if tls:
        certificate = Certificate(make.directory)
        flags += ["--ingest-tls-certificate", certificate.certificate, "--ingest-tls-key", certificate.key]
    relay = make.relay(flags=flags, ports={"ingest": port})
    app = make.app()
    agent = make.agent(relay, allow=[app.address])
    assert f"relay=127.0.0.1:{port}" in agent.log() + str(agent.process._lines)
    source = connect(relay, agent, app.address)
    for _ in range(20):
        post(relay, source, b"{}")
    assert len(app.wait(20)) == 20
    relay.stop()
    relay.start()
    event_id = post(relay, source, b"{}")
    relay.api.wait_delivery(event_id, "delivered", timeout=40)
