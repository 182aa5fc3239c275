"""The agent reaches the relay through an HTTP proxy."""
import subprocess

import pytest

from harness.process import BIN
from test_agent import connect, post

pytestmark = pytest.mark.engine("sqlite")
NAME = "relay.example:443"  # a name that only the proxy knows


@pytest.fixture
def hidden(make):
    """A relay that agents know by a name only a proxy can look up."""
    return make.relay(flags=["--tunnel-public-address", NAME])


def delivers(relay, agent, app):
    event_id = post(relay, connect(relay, agent, app.address), b"{}")
    assert relay.api.wait_delivery(event_id, "delivered")["attempt_count"] == 1


def doctor(agent, env):
    done = subprocess.run([BIN / "postern-agent", "doctor", "--state-dir", agent.state], env=env, capture_output=True,
                          text=True, timeout=60)
    return done.returncode, done.stdout


def test_joins_and_delivers_through_the_environments_proxy(hidden, make):
    proxy = make.proxy(user="ann:p@ss", names={NAME: hidden.tunnel})
    app = make.app()
    env = {"HTTPS_PROXY": f"http://ann:p%40ss@{proxy.address}"}
    agent = make.agent(hidden, allow=[app.address], env=env)
    delivers(hidden, agent, app)
    assert set(proxy.asked) == {NAME}
    status, said = doctor(agent, env)
    assert status == 0 and f"through {proxy.address}" in said, said
    agent.stop()
    agent.run()
    agent.stop()  # its status file is written anew at every change: what is read is to stand still
    everything = agent.log() + said + "".join(f.read_text(errors="replace") for f in agent.state.iterdir())
    assert "p@ss" not in everything and "p%40ss" not in everything


def test_a_proxy_that_wants_a_user_says_so(hidden, make):
    proxy = make.proxy(user="ann:pass", names={NAME: hidden.tunnel})
    app = make.app()
    env = {"POSTERN_AGENT_PROXY": f"http://ann:pass@{proxy.address}"}
    agent = make.agent(hidden, allow=[app.address], env=env)
    agent.stop()
    status, said = doctor(agent, {"POSTERN_AGENT_PROXY": f"http://ann:wrong@{proxy.address}"})
    assert status == 1 and "does not accept the user" in said and "wrong" not in said, said
    proxy.status[NAME] = "403 Not to this port"
    status, said = doctor(agent, env)
    assert status == 1 and "403 Not to this port" in said and f"allow CONNECT to {NAME}" in said, said


def test_no_proxy_leads_past_it(relay, make):
    proxy = make.proxy()
    app = make.app()
    env = {"POSTERN_AGENT_PROXY": f"http://{proxy.address}", "NO_PROXY": "example.com, 127.0.0.0/8"}
    agent = make.agent(relay, allow=[app.address], env=env)
    delivers(relay, agent, app)
    assert proxy.asked == []
    agent.stop()
    assert "none on the way" in doctor(agent, env)[1]
    agent.env = {"POSTERN_AGENT_PROXY": f"http://{proxy.address}", "NO_PROXY": "10.0.0.0/8"}
    agent.run()
    assert proxy.asked == [relay.tunnel]
