"""Several equal nodes on one PostgreSQL: nothing is lost while nodes, or the server, are killed, stopped or cut off."""
import signal
import threading
import time

import pytest

from harness import sign
from harness.load import SECRET, Load, wait_for_all
from harness.nats import NatsServer
from harness.wait import eventually
from harness.wire import Wire

pytestmark = pytest.mark.engine("postgres")

LEASE = 2.0
FAST = {"retry_schedule": ["0"] + ["200ms"] * 50}
ENV = {"POSTERN_CLUSTER_LEASE_TIME": f"{LEASE:g}s"}


@pytest.fixture
def cluster(make):
    """cluster(n): n nodes, the first of which is asked for everything over REST."""

    def start(count):
        first = make.relay("node1", env={**ENV, "POSTERN_CLUSTER_NAME": "node1"})
        others = [make.node(first, f"node{n}", env={**ENV, "POSTERN_CLUSTER_NAME": f"node{n}"})
                  for n in range(2, count + 1)]
        return [first, *others]

    return start


def send(node, source, body=b"{}"):
    path = "/" + source["ingest_url"].split("/", 3)[3]
    from harness import http
    return http.send("POST", node.ingest + path, sign.github(SECRET, body), body)


def public_route(node, app, name="public", **fields):
    source = node.api.source(name, "github", [SECRET])
    node.api.route(source, node.api.destination(name, "http", app.url, **FAST, **fields))
    return source


def accepted_everywhere(nodes, source):
    """By nodes that hear of it one after the other."""
    for node in nodes:
        assert eventually(lambda n=node: send(n, source, b'{"probe":1}').status < 300), node.directory


def known_everywhere(nodes, source):
    """The source, and the route that was made after it: a node may know the one before the other. Returns how many events it took."""
    accepted = 0

    def routed(node):
        nonlocal accepted
        answer = send(node, source, b'{"probe":1}')
        if answer.status >= 300:
            return False
        accepted += 1
        return nodes[0].api.get(f"events/{answer.json()['event_id']}")["deliveries"]

    for node in nodes:
        assert eventually(lambda n=node: routed(n)), node.directory
    return accepted


def states(postgres, node):
    lines = postgres.query("SELECT state, count(*) FROM delivery GROUP BY state ORDER BY state",
                           database=postgres.name_of(node.database))
    names = ["pending", "leased", "parked", "delivered", "dead", "cancelled"]
    return {names[int(state)]: int(count) for state, count in (line.split("|") for line in lines)}


def audit(postgres, nodes, apps, acknowledged):
    """0 lost, 0 changed; returns how many requests the apps got beyond one for each event."""
    got = wait_for_all(apps, set(acknowledged))
    assert set(acknowledged) - set(got) == set()
    for event_id, body in acknowledged.items():
        assert set(got[event_id]) == {body}
    assert eventually(lambda: set(states(postgres, nodes[0])) == {"delivered"}), states(postgres, nodes[0])
    return sum(len(bodies) for bodies in got.values()) - len(got)


def test_what_one_node_is_told_the_others_know(cluster, make):
    nodes = cluster(2)
    app = make.app()
    source = public_route(nodes[0], app)
    assert eventually(lambda: send(nodes[1], source).status < 300)
    nodes[1].api.ok("DELETE", f"sources/{source['id']}")
    assert eventually(lambda: send(nodes[0], source).status == 404)


def test_work_follows_the_tunnel(cluster, make):
    """Events go to the node that has no session of the agent; the one that has it delivers them at once."""
    nodes = cluster(2)
    app = make.app()
    agent = make.agent(nodes[0], allow=[app.address])
    source = nodes[0].api.source("private", "github", [SECRET])
    nodes[0].api.route(source, nodes[0].api.destination("private", "agent", app.url, agent_id=agent.id, **FAST))
    known_everywhere(nodes, source)
    app.wait(2)
    slowest = 0.0
    for n in range(20):
        began = time.monotonic()
        assert send(nodes[1], source, b'{"n":%d}' % n).status < 300
        app.wait(3 + n)
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 2.0, slowest
    delivery = nodes[1].api.items("deliveries?state=delivered")[0]
    assert delivery["attempt_count"] == 1


@pytest.mark.parametrize("how", ["revoked", "deleted"])
def test_access_that_one_node_withdraws_ends_at_the_other_within_a_second(cluster, make, how):
    nodes = cluster(2)
    agent = make.agent(nodes[0])
    assert eventually(lambda: nodes[1].api.get(f"agents/{agent.id}")["present"])
    began = time.monotonic()
    if how == "revoked":
        nodes[1].api.post(f"agents/{agent.id}/revoke")
    else:
        nodes[1].api.ok("DELETE", f"agents/{agent.id}")
    assert eventually(lambda: "agent.disconnected" in nodes[0].log(), timeout=5)
    took = time.monotonic() - began
    assert took < 1.0, took
    print(f"{how} through the other node: ended after {took * 1000:.0f} ms")


def test_an_agent_joins_through_one_node_and_serves_through_another(cluster, make):
    nodes = cluster(2)
    app = make.app()
    agent = make.agent(nodes[0], allow=[app.address])
    agent.stop()
    assert nodes[0].tunnel != nodes[1].tunnel
    state = agent.state / "state.toml" if (agent.state / "state.toml").exists() else None
    files = [p for p in agent.state.rglob("*") if p.is_file() and nodes[0].tunnel.rsplit(":", 1)[1] in p.read_text(errors="ignore")]
    assert files or state
    for file in files:
        file.write_text(file.read_text().replace(nodes[0].tunnel.rsplit(":", 1)[1], nodes[1].tunnel.rsplit(":", 1)[1]))
    agent.run()
    source = nodes[0].api.source("private", "github", [SECRET])
    nodes[0].api.route(source, nodes[0].api.destination("private", "agent", app.url, agent_id=agent.id, **FAST))
    assert eventually(lambda: send(nodes[0], source).status < 300)
    app.wait(1)


def test_a_killed_node_is_carried_on_for_within_seconds(cluster, make, postgres):
    nodes = cluster(2)
    block = threading.Event()

    def respond(_):
        block.wait(20)
        return 200

    app = make.app(respond)
    source = public_route(nodes[0], app, concurrency=4)
    known_everywhere(nodes, source)
    ids = [send(nodes[1], source, b'{"n":%d}' % n).json()["event_id"] for n in range(30)]
    assert eventually(lambda: states(postgres, nodes[0]).get("leased", 0) >= 30)
    nodes[1].kill()
    began = time.monotonic()
    block.set()
    got = wait_for_all([app], set(ids), timeout=20)
    assert set(ids) <= set(got)
    took = time.monotonic() - began
    print(f"\ncarried on {took:.1f} s after the kill, with a lease of {LEASE:g} s")
    assert took < 3 * LEASE + 3
    assert eventually(lambda: set(states(postgres, nodes[0])) == {"delivered"})


def test_a_node_stopped_past_its_lease_changes_nothing_when_it_comes_back(cluster, make, postgres):
    nodes = cluster(2)
    release = threading.Event()
    app = make.app(lambda _: (release.wait(30), 200)[1])
    source = public_route(nodes[0], app, concurrency=4)
    known_everywhere(nodes, source)
    ids = [send(nodes[1], source, b'{"n":%d}' % n).json()["event_id"] for n in range(20)]
    assert eventually(lambda: states(postgres, nodes[0]).get("leased", 0) >= 20)
    nodes[1].process.signal(signal.SIGSTOP)
    release.set()  # what it had sent is answered; it cannot hear it
    wait_for_all([app], set(ids), timeout=20)
    assert eventually(lambda: set(states(postgres, nodes[0])) == {"delivered"}), states(postgres, nodes[0])
    before = {d["id"]: d for d in nodes[0].api.items("deliveries")}
    nodes[1].process.signal(signal.SIGCONT)
    assert eventually(lambda: "node.leases_lost" in nodes[1].log())
    # It takes part again, as a new node, and what it believed of the old leases is in nobody's books.
    assert eventually(lambda: send(nodes[1], source, b'{"after":1}').status < 300)
    assert eventually(lambda: states(postgres, nodes[0]).get("leased", 0) == 0)
    after = {d["id"]: d for d in nodes[0].api.items("deliveries")}
    for delivery_id, delivery in before.items():
        assert after[delivery_id] == delivery


def test_three_nodes_lose_nothing_while_each_is_killed_and_stopped(cluster, make, postgres):
    nodes = cluster(3)
    app = make.app()
    source = public_route(nodes[0], app)
    known_everywhere(nodes, source)
    acknowledged, lock = {}, threading.Lock()
    load = Load(nodes, [source], 300, acknowledged, lock)
    try:
        for turn in range(9):
            node = nodes[turn % 3]
            time.sleep(0.4)
            if turn % 2 == 0:
                node.kill()
                time.sleep(0.3)
                node.start()
            else:
                node.process.signal(signal.SIGSTOP)
                time.sleep(1.5 * LEASE)
                node.process.signal(signal.SIGCONT)
        time.sleep(0.5)
    finally:
        load.stop()
    repeats = audit(postgres, nodes, [app], acknowledged)
    print(f"\n9 kills and stops, {len(acknowledged)} events acknowledged, 0 lost, {repeats} repeats")
    assert len(acknowledged) > 500
    # At most what a node had under way when it was cut off can come twice.
    assert repeats < 9 * 256


@pytest.fixture
def wires(postgres):
    """wires(database): a way to it that can be cut, and its URL."""
    made = []

    def lay(database):
        wire = Wire(postgres.port)
        made.append(wire)
        return wire, database.replace(f":{postgres.port}/", f":{wire.port}/")

    yield lay
    for wire in made:
        wire.close()


def test_nodes_cut_off_from_the_server_lose_nothing(cluster, make, postgres, wires):
    """Past their lease, while the others go on with what they had; senders and apps still reach them."""
    first = cluster(1)[0]
    cut = [wires(first.database) for _ in range(2)]
    nodes = [first]
    for n, (_, url) in enumerate(cut, 2):
        nodes.append(make.node(first, f"node{n}", env={**ENV, "POSTERN_CLUSTER_NAME": f"node{n}", "POSTERN_DATABASE": url}))
    app = make.app()
    source = public_route(first, app)
    known_everywhere(nodes, source)
    acknowledged, lock = {}, threading.Lock()
    load = Load(nodes, [source], 300, acknowledged, lock)
    try:
        for turn in range(6):
            wire = cut[turn % 2][0]
            time.sleep(0.5)
            wire.cut()
            time.sleep((0.5, 2.5)[turn // 2 % 2] * LEASE)
            wire.mend()
        back = time.monotonic()
        for node in nodes:
            assert eventually(lambda n=node: send(n, source, b'{"back":1}').status < 300), node.directory
        back = time.monotonic() - back
        time.sleep(0.5)
    finally:
        load.stop()
        for wire, _ in cut:
            wire.mend()
    repeats = audit(postgres, nodes, [app], acknowledged)
    print(f"\n6 partitions: {len(acknowledged)} events acknowledged, 0 lost, {repeats} repeats, {load.refused} refused, "
          f"slowest answer {load.slowest:.1f} s, back {back:.1f} s after the last")
    assert any("node.leases_lost" in node.log() for node in nodes[1:])
    assert len(acknowledged) > 500
    assert repeats < 6 * 256
    assert load.slowest < 4


@pytest.mark.parametrize("fault", ["killed", "frozen", "backends terminated"])
def test_the_server_can_go_at_any_moment(cluster, make, postgres, request, fault):
    nodes = cluster(2)
    app = make.app()
    source = public_route(nodes[0], app)
    known_everywhere(nodes, source)
    acknowledged, lock = {}, threading.Lock()
    load = Load(nodes, [source], 200, acknowledged, lock)
    freeze = request.config.getoption("--freeze")
    try:
        for _ in range(1 if fault == "frozen" else 3):
            time.sleep(0.5)
            if fault == "killed":
                postgres.kill()
                time.sleep(0.5)
                postgres.start()
            elif fault == "frozen":
                postgres.freeze()
                time.sleep(freeze)
                postgres.thaw()
            else:
                for _ in range(5):
                    postgres.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE "
                                   "'postern %'")
                    time.sleep(0.1)
        back = time.monotonic()
        assert eventually(lambda: send(nodes[0], source, b'{"back":1}').status < 300)
        back = time.monotonic() - back
        time.sleep(0.5)
    finally:
        load.stop()
        postgres.thaw()
    assert back < 10, back
    repeats = audit(postgres, nodes, [app], acknowledged)
    print(f"\n{fault}: {len(acknowledged)} events acknowledged, 0 lost, {repeats} repeats, {load.refused} refused, "
          f"slowest answer {load.slowest:.1f} s, back {back:.1f} s after the server")
    assert load.slowest < 4
    assert all(node.process.alive() for node in nodes)


def test_one_id_is_stored_once_whoever_sends_it_wherever(cluster, make, postgres, request):
    """64 senders at once, each with the same ids, over two nodes; a forged copy of each id comes first."""
    nodes = cluster(2)
    app = make.app()
    source = public_route(nodes[0], app)
    probes = known_everywhere(nodes, source)
    from harness import http
    path = "/" + source["ingest_url"].split("/", 3)[3]
    rounds = request.config.getoption("--ids")
    ids = [f"race-{n}" for n in range(rounds)]
    for delivery in ids[:50]:
        forged = sign.github("another secret entirely", b"{}", delivery=delivery)
        assert http.send("POST", nodes[0].ingest + path, forged, b"{}").status == 401
    answers, lock = {}, threading.Lock()

    def run(number):
        sender = http.Sender(nodes[number % 2].ingest)
        for delivery in ids:
            answer = sender.post(path, sign.github(SECRET, b"{}", delivery=delivery), b"{}")
            with lock:
                answers.setdefault(delivery, []).append((answer.status, answer.json().get("event_id")))
        sender.close()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for delivery in ids:
        assert sorted(status for status, _ in answers[delivery]) == [200] * 63 + [202], delivery
        assert len({event for _, event in answers[delivery]}) == 1, delivery
        assert len(answers[delivery]) == 64
    stored = postgres.query("SELECT count(*), count(DISTINCT dedupe_key) FROM event",
                            database=postgres.name_of(nodes[0].database))
    assert stored == [f"{rounds + probes}|{rounds + probes}"]
    other = nodes[0].add_workspace("other").source("same", "github", [SECRET])
    accepted_everywhere(nodes, other)
    for turn, status in enumerate((202, 200)):
        for n, delivery in enumerate(ids[:50]):
            path = "/" + other["ingest_url"].split("/", 3)[3]
            answer = http.send("POST", nodes[(n + turn) % 2].ingest + path, sign.github(SECRET, b"{}", delivery=delivery), b"{}")
            assert answer.status == status, "one more in the other workspace, once"
            assert answer.json()["event_id"] not in {event for _, event in answers[delivery]}


def test_a_second_node_needs_the_first_ones_key(cluster, make):
    from harness.process import Exited
    from harness.relay import Relay
    first = cluster(1)[0]
    stranger = Relay(make.directory / "stranger", database=first.database)
    with pytest.raises(Exited, match="master.key"):
        stranger.start()


def test_an_unreachable_server_is_told_without_its_password(make, tmp_path):
    from harness.process import Exited
    from harness.relay import Relay
    relay = Relay(tmp_path / "lost", database="postgresql://relay:sesame@127.0.0.1:1/nothing")
    with pytest.raises(Exited) as told:
        relay.start()
    assert "PostgreSQL cannot be reached" in str(told.value)
    assert "sesame" not in str(told.value)


def test_wake_ups_go_through_nats_where_there_is_one(cluster, make, tmp_path, monkeypatch):
    """Beside the subjects of events; and through PostgreSQL while NATS is away."""
    server = NatsServer(tmp_path / "nats").start()
    try:
        spy = server.client()
        spy.add_stream("WAKES", ["postern-nodes.>"])
        monkeypatch.setitem(ENV, "POSTERN_NATS_URL", server.url)
        nodes = cluster(2)
        app = make.app()
        agent = make.agent(nodes[0], allow=[app.address])
        source = nodes[0].api.source("private", "github", [SECRET])
        nodes[0].api.route(source, nodes[0].api.destination("private", "agent", app.url, agent_id=agent.id, **FAST))
        known_everywhere(nodes, source)
        app.wait(2)
        assert send(nodes[1], source, b'{"by":"nats"}').status < 300
        app.wait(3)
        assert spy.wait_messages(1, "WAKES")
    finally:
        server.kill()
    assert send(nodes[1], source, b'{"by":"postgres"}').status < 300
    app.wait(4)
