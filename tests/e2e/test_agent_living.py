"""An agent from day to day: its configuration changes while it works, and its apps come and go."""
import os
import signal
import threading

from harness.app import closed_port
from harness.wait import eventually
from test_agent import connect, post


def serving(make, relay, **texts):
    """An agent that reads its apps from its configuration file."""
    agent = make.agent(relay, allow=["nobody.example:1"])
    agent.stop()
    agent.configure(texts["config"])
    return agent.run()


def loaded(agent):
    return agent.status()["config"]["loaded_at"]


def reconfigure(agent, text):
    before = loaded(agent)
    agent.configure(text)
    assert eventually(lambda: loaded(agent) != before)


def test_a_change_of_the_file_drops_no_delivery_and_no_session(relay, make):
    go_on = threading.Event()
    app = make.app(lambda received: go_on.wait(20) and 200)
    other = make.app()
    agent = serving(make, relay, config=f'allow = ["{app.address}"]\nconcurrency = 4\n')
    source = connect(relay, agent, app.address, concurrency=8)
    # What waits for one session's credit does not go over to another that comes later.
    assert eventually(lambda: len(agent.status()["session_list"]) == 2 and all(s.get("probed_at") for s in agent.status()["session_list"]))
    held = [post(relay, source, os.urandom(20)) for _ in range(8)]
    app.wait(4)
    # Four more are granted at once; the app leaves the list, and those that were begun go on all the same.
    reconfigure(agent, f'allow = ["{app.address}", "{other.address}"]\nconcurrency = 8\n')
    app.wait(8)
    reconfigure(agent, f'allow = ["{other.address}"]\nconcurrency = 1\n')
    go_on.set()
    for event_id in held:
        assert relay.api.wait_delivery(event_id, "delivered")["attempt_count"] == 1
    assert len(app.received) == 8
    assert agent.status()["sessions"] == 2  # the two it began with
    refused = connect(relay, agent, app.address, "again", retry_schedule=["0"])
    waits = post(relay, refused, b"{}")
    assert relay.api.wait_delivery(waits, "parked")["attempts"][-1]["error_code"] == "not_allowed"
    allowed = connect(relay, agent, other.address, "other")
    for _ in range(3):
        relay.api.wait_delivery(post(relay, allowed, os.urandom(20)), "delivered")
    # Allowed again, it goes by itself.
    reconfigure(agent, f'allow = ["{app.address}"]\n')
    assert relay.api.wait_delivery(waits, "delivered")["attempt_count"] == 1


def test_a_file_that_is_wrong_changes_nothing(relay, make):
    app = make.app()
    good = f'allow = ["{app.address}"]\n'
    agent = serving(make, relay, config=good)
    source = connect(relay, agent, app.address)
    agent.configure(good + "concurency = 3\n")
    assert eventually(lambda: agent.status()["config"]["error"])
    error = agent.status()["config"]["error"]
    assert "agent.toml:2" in error["message"] and "did you mean concurrency" in error["message"]
    relay.api.wait_delivery(post(relay, source, b"{}"), "delivered")
    reconfigure(agent, good)
    assert agent.status()["config"]["error"] is None


def test_sighup_reads_it_again(relay, make):
    app = make.app()
    agent = serving(make, relay, config=f'allow = ["{app.address}"]\n')
    before = loaded(agent)
    agent.process.child.send_signal(signal.SIGHUP)
    assert eventually(lambda: loaded(agent) != before)
    source = connect(relay, agent, app.address)
    relay.api.wait_delivery(post(relay, source, b"{}"), "delivered")
    assert agent.status()["sessions"] == 2  # the two it began with


def apps_of(relay, agent):
    return {f"{a['host']}:{a['port']}": (a["reachable"], a["reason"]) for a in relay.api.get(f"agents/{agent.id}")["apps"]}


def test_an_app_that_is_down_is_waited_for_and_burns_nothing(relay, make):
    port, other = closed_port(), make.app()
    address = f"127.0.0.1:{port}"
    agent = make.agent(relay, allow=[address, other.address])
    source = connect(relay, agent, address, retry_schedule=["0"])
    beside = connect(relay, agent, other.address, "beside")
    sent = [post(relay, source, b'{"n":%d}' % n) for n in range(30)]
    for event_id in sent:
        delivery = relay.api.wait_delivery(event_id, "parked")
        assert delivery["reason"] == "app_away" and delivery["attempt_count"] == 0
    assert apps_of(relay, agent)[address] == (False, "connect_failed")
    relay.api.wait_delivery(post(relay, beside, b"{}"), "delivered")
    tried = sum(len(relay.api.wait_delivery(e, "parked")["attempts"]) for e in sent)
    app = make.app(port=port)
    assert [r.headers["postern-event-id"] for r in app.wait(30, timeout=5)] and len(app.received) == 30
    for event_id in sent:
        assert relay.api.wait_delivery(event_id, "delivered")["attempt_count"] == 1
    assert tried <= 30 and eventually(lambda: apps_of(relay, agent)[address] == (True, ""))


class SlowApp:
    """Answers when it is told to, and knows how many requests it had at once."""

    def __init__(self, make):
        self.go_on = threading.Event()
        self.lock = threading.Lock()
        self.now = self.most = 0
        self.app = make.app(self.answer)
        self.address = self.app.address

    def answer(self, received):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.go_on.wait(20)
        with self.lock:
            self.now -= 1
        return 200


def test_an_app_is_given_no_more_at_once_than_its_agent_says(relay, make):
    slow, other = SlowApp(make), make.app()
    agent = serving(make, relay, config=f'allow = ["{slow.address} max=3", "{other.address}"]\n')
    host, port = slow.address.split(":")
    assert eventually(lambda: relay.api.get(f"agents/{agent.id}")["apps"] == [
        {"host": host, "port": int(port), "reachable": True, "reason": "", "concurrency": 3}])
    one, two = (connect(relay, agent, f"{slow.address}/{name}", name, concurrency=16) for name in ("one", "two"))
    beside = connect(relay, agent, other.address, "beside")
    sent = [post(relay, source, os.urandom(20)) for _ in range(10) for source in (one, two)]
    assert eventually(lambda: slow.now == 3)
    for _ in range(5):
        relay.api.wait_delivery(post(relay, beside, os.urandom(20)), "delivered")
    assert eventually(lambda: [a for a in agent.status()["apps"] if a["max"] == 3 and a["in_flight"] == 3])
    reconfigure(agent, f'allow = ["{slow.address} max=5", "{other.address}"]\n')
    assert eventually(lambda: slow.now == 5)
    slow.go_on.set()
    for event_id in sent:
        # Not one was sent in vain.
        assert len(relay.api.wait_delivery(event_id, "delivered")["attempts"]) == 1
    assert slow.most == 5
    assert {r.target[:4] for r in slow.app.received[:6]} == {"/one", "/two"}
