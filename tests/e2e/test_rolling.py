"""The nodes of a cluster are restarted one after the other, as an upgrade does, while an agent works for all of them."""
import threading
import time

import pytest

from harness.balancer import Balancer
from harness.load import SECRET, Load, wait_for_all
from harness.wait import eventually

pytestmark = pytest.mark.engine("postgres")

ROUNDS = 2
RATE = 60
FAST = {"retry_schedule": ["0"] + ["200ms"] * 50}
LATE = 5.0  # promised: a second; the rest is for a busy machine


class Acknowledged(dict):
    """Event id -> body, and when each came."""

    def __init__(self):
        super().__init__()
        self.at = {}

    def __setitem__(self, event_id, body):
        self.at[event_id] = time.monotonic()
        super().__setitem__(event_id, body)


def with_a_session(node, agent):
    return node.api.get(f"agents/{agent.id}")["connection"] == "live"


def delays(app, acknowledged):
    """Seconds from each event's 2xx to its arrival, the longest last."""
    arrived = {got.headers["postern-event-id"]: got.at for got in app.received}
    return sorted(arrived[event_id] - at for event_id, at in acknowledged.at.items())


def restart(node, other, agent):
    node.stop()
    assert with_a_session(other, agent), "the agent is away while a node is"
    node.start()
    assert eventually(lambda: with_a_session(node, agent), 20), "the agent has not come to the node that is new"


def test_nodes_are_restarted_one_by_one(make, capsys):
    nodes = [make.relay("node1", env={"POSTERN_CLUSTER_NAME": "node1"})]
    nodes.append(make.node(nodes[0], "node2", env={"POSTERN_CLUSTER_NAME": "node2"}))
    balancer = make.closed(Balancer([node.tunnel.removeprefix("tls://") for node in nodes]))
    app = make.app()
    agent = make.agent(nodes[0], allow=[app.address])
    agent.dial_by(balancer.address)
    source = nodes[0].api.source("private", "github", [SECRET])
    nodes[0].api.route(source, nodes[0].api.destination("private", "agent", app.url, agent_id=agent.id, **FAST))
    assert eventually(lambda: all(with_a_session(node, agent) for node in nodes), 20)

    acknowledged = Acknowledged()
    load = Load(nodes, [source], RATE, acknowledged, threading.Lock())
    try:
        for _ in range(ROUNDS):
            for node, other in (nodes, reversed(nodes)):
                time.sleep(1)
                restart(node, other, agent)
        time.sleep(1)
    finally:
        load.stop()
    got = wait_for_all([app], set(acknowledged))
    assert set(acknowledged) - set(got) == set()
    assert {event_id: bodies for event_id, bodies in got.items() if len(bodies) > 1} == {}
    late = delays(app, acknowledged)
    with capsys.disabled():
        print(f"\n{2 * ROUNDS} restarts, {len(late)} events: none lost, none twice; "
              f"p50 {late[len(late) // 2] * 1e3:.0f} ms, p99 {late[-len(late) // 100] * 1e3:.0f} ms, "
              f"longest {late[-1] * 1e3:.0f} ms")
    assert late[-1] < LATE
