"""What several nodes know of each other's destinations and agents, through Redis and PostgreSQL."""
import itertools
import signal
import time

import pytest

from harness import http as plain
from harness import sign
from harness.load import SECRET
from harness.redis import Redis
from harness.wait import eventually

pytestmark = pytest.mark.engine("postgres")

BREAKER = {"failures_in_a_row": 3, "open_first": "10m", "open_most": "10m"}
LEASE = "2s"


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path / "redis").start()
    yield server
    server.kill()


def env(name, redis=None):
    shared = {"POSTERN_REDIS_URL": redis.url, "POSTERN_REDIS_PREFIX": "test:"} if redis else {}
    return {"POSTERN_CLUSTER_LEASE_TIME": LEASE, "POSTERN_CLUSTER_NAME": name, **shared}


@pytest.fixture
def pair(make, redis):
    first = make.relay("node1", env=env("node1", redis))
    return [first, make.node(first, "node2", env=env("node2", redis))]


def send(node, source, number=0):
    body = b'{"n":%d}' % number
    return plain.send("POST", node.ingest + "/" + source["ingest_url"].split("/", 3)[3], sign.github(SECRET, body),
                      body)


class Switch:
    """An app that is up until it is told otherwise."""

    def __init__(self, make):
        self.up = True
        self.app = make.app(lambda received: 200 if self.up else 503)


def connect(nodes, app, **fields):
    """Through every node an event has gone all the way."""
    source = nodes[0].api.source("hub", "github", [SECRET])
    destination = nodes[0].api.destination("sink", "http", app.url, **{"concurrency": 1, "retry_schedule": ["0", "1h"],
                                                              "breaker": BREAKER, **fields})
    nodes[0].api.route(source, destination)
    numbers = itertools.count(1000)

    def arrives(node):
        answer = send(node, source, next(numbers))
        return answer.status < 300 and node.api.deliveries(answer.json()["event_id"])

    assert all(eventually(lambda n=node: arrives(n)) for node in nodes)
    assert eventually(lambda: all(d["state"] == "delivered" for d in nodes[0].api.items("deliveries")))
    return source, destination


def breaker(node, destination):
    return node.api.get(f"destinations/{destination['id']}")["status"]["breaker"]["state"]


def becomes(node, destination, state, timeout=5.0):
    assert eventually(lambda: breaker(node, destination) == state, timeout), node.log()


def redis_up(node, value):
    text = plain.send("GET", node.admin + "/metrics").body.decode()
    return f"postern_redis_up {value}\n" in text


def opened_on_the_first(nodes, make):
    switch = Switch(make)
    source, destination = connect(nodes, switch.app)
    switch.up = False
    got = len(switch.app.received)
    for number in range(1, 4):
        assert send(nodes[0], source, number).status < 300
        switch.app.wait(got + number)
    becomes(nodes[0], destination, "open")
    return switch, source, destination


def test_what_one_node_finds_down_the_other_leaves_alone(pair, make):
    switch, source, destination = opened_on_the_first(pair, make)
    becomes(pair[1], destination, "open")
    tried = len(switch.app.received)
    events = [send(pair[1], source, n).json()["event_id"] for n in range(10, 30)]
    for event in events:
        delivery = pair[1].api.wait_delivery(event, "parked")
        assert (delivery["reason"], delivery["attempt_count"]) == ("breaker_open", 0)
    assert len(switch.app.received) == tried
    switch.up = True
    assert pair[1].api.post(f"destinations/{destination['id']}/breaker/reset") is None
    for event in events:
        pair[0].api.wait_delivery(event, "delivered")
    becomes(pair[0], destination, "closed")
    becomes(pair[1], destination, "closed")


def test_a_node_that_starts_knows_what_is_down(pair, make):
    switch, source, destination = opened_on_the_first(pair, make)
    becomes(pair[1], destination, "open")
    tried = len(switch.app.received)
    pair[1].stop()
    events = [send(pair[0], source, n).json()["event_id"] for n in range(10, 20)]
    pair[0].kill()
    pair[1].start()
    assert breaker(pair[1], destination) == "open"
    for event in events:
        pair[1].api.wait_delivery(event, "parked")
    assert len(switch.app.received) == tried


def test_one_probe_closes_it_for_all(pair, make):
    switch = Switch(make)
    source, destination = connect(pair, switch.app,
                                  breaker={**BREAKER, "open_first": "2s", "open_most": "2s", "probes": 1})
    switch.up = False
    for number in range(10, 13):
        send(pair[0], source, number)
    becomes(pair[1], destination, "open")
    switch.up = True
    events = [send(node, source, n).json()["event_id"] for n in range(20, 30) for node in pair]
    for event in events:
        pair[0].api.wait_delivery(event, "delivered")
    for node in pair:
        becomes(node, destination, "closed")


def test_without_redis_each_goes_on_and_afterwards_they_agree(pair, make, redis):
    switch, source, destination = opened_on_the_first(pair, make)
    becomes(pair[1], destination, "open")
    redis.kill()  # and all that is in it is gone
    for node in pair:
        assert eventually(lambda n=node: redis_up(n, 0))
        assert breaker(node, destination) == "open"
    events = [send(node, source, n).json()["event_id"] for n in range(30, 35) for node in pair]
    for event in events:
        pair[0].api.wait_delivery(event, "parked")
    switch.up = True
    pair[1].api.post(f"destinations/{destination['id']}/breaker/reset")
    for event in events:  # the one that was told delivers for both
        pair[0].api.wait_delivery(event, "delivered")
    becomes(pair[1], destination, "closed")
    assert breaker(pair[0], destination) == "open"
    redis.start()
    becomes(pair[0], destination, "closed", timeout=15)
    event = send(pair[0], source, 99).json()["event_id"]
    pair[1].api.wait_delivery(event, "delivered")


def test_a_wipe_and_garbage_in_redis_change_nothing(pair, make, redis):
    switch, source, destination = opened_on_the_first(pair, make)
    becomes(pair[1], destination, "open")
    redis.ask("FLUSHALL")
    assert eventually(lambda: redis.ask(f"HGET test:breaker:{destination['id']} blob").startswith(b"$"))
    redis.ask(f"HSET test:breaker:{destination['id']} version {int(time.time() * 1e6) + 10**9} blob nonsense")
    redis.ask(f"ZADD test:breakers {int(time.time() * 1e6) + 10**9} {destination['id']}")
    assert eventually(lambda: all("breakers.garbled" in node.log() for node in pair))
    assert [breaker(node, destination) for node in pair] == ["open", "open"]
    switch.up = True
    pair[0].api.post(f"destinations/{destination['id']}/breaker/reset")
    for node in pair:
        becomes(node, destination, "closed")
        assert node.log().count("breakers.garbled") == 1


RATE, BURST = 25, 5


def test_the_nodes_keep_a_destinations_rate_together(pair, make, redis):
    app = make.app()
    source, destination = connect(pair, app, concurrency=32, rate_limit={"per_second": RATE, "burst": BURST})
    first = len(app.received)
    for number in range(60):
        for node in pair:
            assert send(node, source, 2000 + number * 2 + pair.index(node)).status < 300
    app.wait(first + 120)
    began = app.received[first].at
    for got, received in enumerate(app.received[first:], 1):
        # In the long run the rate, and at the beginning at most a burst of each. Alone they would send twice as much.
        assert got <= RATE * (received.at - began) + 2 * (BURST + RATE * 0.2) + 1, "faster than the rate"
    assert f"limit:destination:{destination['id']}".encode() in redis.ask("KEYS test:limit:*")
    redis.kill()
    events = [send(node, source, 3000 + n).json()["event_id"] for n, node in enumerate(pair)]
    for event in events:  # and without Redis each keeps it by itself
        pair[0].api.wait_delivery(event, "delivered")


@pytest.fixture
def plain_pair(make):
    """Without Redis: PostgreSQL alone says where agents are."""
    first = make.relay("node1", env=env("node1"))
    return [first, make.node(first, "node2", env=env("node2"))]


def where(nodes, agent):
    """What each says: the agent alone, and in the listing."""
    shown = [node.api.get(f"agents/{agent.id}") for node in nodes]
    shown += [next(a for a in node.api.items("agents") if a["id"] == agent.id) for node in nodes]
    return [(a["present"], a["node"]) for a in shown]


def test_an_agent_is_where_its_session_is_whoever_is_asked(plain_pair, make):
    nodes = plain_pair
    agent = make.agent(nodes[0])
    assert eventually(lambda: where(nodes, agent) == [(True, "node1")] * 4), where(nodes, agent)
    assert nodes[1].api.get(f"agents/{agent.id}")["present_since"]
    agent.stop()
    assert eventually(lambda: where(nodes, agent) == [(False, None)] * 4), where(nodes, agent)
    agent.run()
    assert eventually(lambda: where(nodes, agent) == [(True, "node1")] * 4), where(nodes, agent)


def test_an_agent_of_a_killed_node_is_away_and_back_with_it(plain_pair, make):
    nodes = plain_pair
    agent = make.agent(nodes[0])
    assert eventually(lambda: where(nodes[1:], agent) == [(True, "node1")] * 2)
    nodes[0].kill()
    assert eventually(lambda: where(nodes[1:], agent) == [(False, None)] * 2), where(nodes[1:], agent)
    nodes[0].start()
    assert eventually(lambda: where(nodes, agent) == [(True, "node1")] * 4, 30), where(nodes, agent)


def test_a_node_that_was_taken_for_dead_says_again_who_is_there(plain_pair, make):
    nodes = plain_pair
    agent = make.agent(nodes[0])
    assert eventually(lambda: where(nodes[1:], agent) == [(True, "node1")] * 2)
    nodes[0].process.signal(signal.SIGSTOP)
    assert eventually(lambda: where(nodes[1:], agent) == [(False, None)] * 2)
    assert eventually(lambda: "node.buried" in nodes[1].log())
    nodes[0].process.signal(signal.SIGCONT)
    assert eventually(lambda: where(nodes, agent) == [(True, "node1")] * 4), where(nodes, agent)
