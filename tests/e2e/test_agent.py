"""Private delivery through the tunnel, with the real agent."""
import os
import random
import threading
import time
from collections import Counter

import pytest

from harness import sign

SECRET = "a github secret of some length"


def connect(relay, agent, address, name="private", **fields):
    source = relay.api.source(f"from-{name}", "github", [SECRET])
    destination = relay.api.destination(name, "agent", f"http://{address}/hooks", agent_id=agent.id, **fields)
    relay.api.route(source, destination)
    return source


def post(relay, source, body):
    answer = relay.post(source, sign.github(SECRET, body), body)
    assert answer.status == 202, answer
    return answer.json()["event_id"]


def test_the_first_private_delivery(relay, make):
    app = make.app()
    agent = make.agent(relay, allow=[app.address])
    source = connect(relay, agent, app.address)
    body = bytes(range(256)) * 300
    event_id = post(relay, source, body)
    got = app.wait()[0]
    assert got.body == body and got.target.startswith("/hooks")
    assert got.headers["postern-event-id"] == event_id
    assert relay.api.wait_delivery(event_id, "delivered")["attempt_count"] == 1


def test_nothing_is_lost_or_burnt_while_the_agent_is_away(relay, make):
    app = make.app()
    agent = make.agent(relay, allow=[app.address])
    source = connect(relay, agent, app.address)
    agent.stop()
    sent = [post(relay, source, b'{"n":%d}' % n) for n in range(100)]
    parked = relay.api.wait_delivery(sent[-1], "parked")
    assert parked["reason"] == "agent_away" and parked["attempt_count"] == 0
    agent.run()
    back = time.monotonic()
    got = app.wait(100)
    assert got[0].at - back < 1.0
    assert [r.headers["postern-event-id"] for r in got] == sent
    for event_id in sent:
        assert relay.api.wait_delivery(event_id, "delivered")["attempt_count"] == 1


def test_the_agent_comes_back_after_the_relay_restarts(relay, make):
    app = make.app()
    agent = make.agent(relay, allow=[app.address])
    source = connect(relay, agent, app.address)
    for how in (relay.stop, relay.kill):
        how()
        relay.start()
        event_id = post(relay, source, os.urandom(100))
        relay.api.wait_delivery(event_id, "delivered", timeout=40)


def test_two_agents_get_only_their_own(relay, make):
    apps = [make.app(), make.app()]
    agents = [make.agent(relay, f"agent-{n}", allow=[a.address for a in apps]) for n in range(2)]
    sources = [connect(relay, agents[n], apps[n].address, f"private-{n}") for n in range(2)]
    sent = [[post(relay, sources[n], os.urandom(50)) for _ in range(20)] for n in range(2)]
    for n in range(2):
        got = apps[n].wait(20)
        assert {r.headers["postern-event-id"] for r in got} == set(sent[n])
        assert len(got) == 20


def test_the_allow_list_is_the_agents(relay, make):
    allowed, other = make.app(), make.app()
    agent = make.agent(relay, allow=[allowed.address])
    source = connect(relay, agent, other.address, retry_schedule=["0"])
    event_id = post(relay, source, b"{}")
    delivery = relay.api.wait_delivery(event_id, "parked")
    assert delivery["reason"] == "app_away" and delivery["attempt_count"] == 0
    assert delivery["attempts"][-1]["error_code"] == "not_allowed"
    assert other.received == []


def test_a_deaf_app_stalls_only_itself(relay, make):
    deaf, app = make.deaf_app(), make.app()
    agent = make.agent(relay, allow=[deaf.address, app.address])
    stuck = connect(relay, agent, deaf.address, "deaf", timeout="60s")
    live = connect(relay, agent, app.address, "live")
    chunk = os.urandom(1_000_000)
    for number in range(50):
        post(relay, stuck, b"%04d" % number + chunk)
    began = time.monotonic()
    for _ in range(20):
        event_id = post(relay, live, os.urandom(1000))
        relay.api.wait_delivery(event_id, "delivered", timeout=5)
    assert time.monotonic() - began < 15
    assert len(app.received) == 20


def test_a_join_token_works_once(relay, make):
    app = make.app()
    agent = make.agent(relay, allow=[app.address])
    from harness.process import BIN, Process
    thief = Process([BIN / "postern-agent", "join", "--join-file", agent.directory / "join-token", "--state-dir",
                     make.directory / "thief", "--allow", app.address], make.directory / "thief.log")
    assert thief.child.wait(20) != 0
    assert agent.process.alive()


def test_a_revoked_agent_is_cut_off(relay, make):
    app = make.app()
    agent = make.agent(relay, allow=[app.address])
    source = connect(relay, agent, app.address)
    relay.api.post(f"agents/{agent.id}/revoke")
    event_id = post(relay, source, b"{}")
    assert relay.api.wait_delivery(event_id, "parked")["attempt_count"] == 0
    assert app.received == []


def test_revoking_cuts_a_session_off_and_gives_back_what_it_had_within_a_second(relay, make):
    gate = threading.Event()
    app = make.app(lambda received: gate.wait(20) and 200)
    agent = make.agent(relay, allow=[app.address])
    source = connect(relay, agent, app.address)
    event_id = post(relay, source, b"{}")
    app.wait()
    began = time.monotonic()
    relay.api.post(f"agents/{agent.id}/revoke")
    parked = relay.api.wait_delivery(event_id, "parked", timeout=5)
    took = time.monotonic() - began
    gate.set()
    assert took < 1.0, took
    assert parked["reason"] == "agent_away"
    assert not relay.api.get(f"agents/{agent.id}")["present"]
    print(f"revoked and given back after {took * 1000:.0f} ms")


def test_state_is_private(relay, make):
    app = make.app()
    agent = make.agent(relay, allow=[app.address])
    for file in agent.state.rglob("*"):
        if file.is_file():
            assert file.stat().st_mode & 0o077 == 0, file


def test_an_app_is_called_once_however_often_the_relay_and_the_agent_are_killed(relay, make):
    """Requests take a while, so that every kill finds some in the middle; the agent's kills find answers on their way."""
    app = make.app(lambda received: time.sleep(random.uniform(0, 0.4)) or random.choice((200, 200, 500)))
    agent = make.agent(relay, allow=[app.address])
    source = connect(relay, agent, app.address, breaker={"enabled": False},
                     retry_schedule=["0"] + ["200ms"] * 60, concurrency=32)
    sent = []
    for turn in range(4):
        sent += [post(relay, source, b'{"n":%d}' % len(sent)) for _ in range(25)]
        app.wait(len(app.received) + 5, timeout=40)
        relay.kill()
        relay.start()
    for event_id in sent:
        relay.api.wait_delivery(event_id, "delivered", timeout=60)
    assert {r.headers["postern-event-id"] for r in app.received} == set(sent)
    # Each call is an attempt that the app answered: a 500 is asked for again, and a call whose answer was lost is not.
    calls = Counter(r.headers["postern-delivery-id"] for r in app.received)
    for item in relay.api.items("deliveries?limit=500"):
        statuses = [a["response_status"] for a in relay.api.get(f"deliveries/{item['id']}")["attempts"] if a["response_status"]]
        assert calls[item["id"]] == len(statuses), (calls[item["id"]], statuses)
