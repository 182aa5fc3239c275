"""A node with SQLite moves to PostgreSQL: `postern export`, `postern import`, and nothing is missing."""
import os
import subprocess
import time
import uuid

import pytest

from harness import sign
from harness.postgres import binaries
from harness.process import BIN

SECRET = "a github secret of some length"
EVENTS = 500

pytestmark = pytest.mark.engine("sqlite")

PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("POSTERN_")}


def postern(*arguments, ok=True):
    done = subprocess.run([BIN / "postern", *map(str, arguments)], capture_output=True, text=True, timeout=120, env=PLAIN)
    if ok:
        assert done.returncode == 0, done.stderr
    return done


class Traffic:
    """What was sent, so that it can be looked for and sent again."""

    def __init__(self, relay):
        self.relay = relay
        self.sent = {}  # event id → (source, headers, body)

    def post(self, source, body):
        headers = sign.github(SECRET, body, delivery=str(uuid.uuid4()))
        answer = self.relay.post(source, headers, body)
        assert answer.status == 202, answer
        event_id = answer.json()["event_id"]
        self.sent[event_id] = (source, headers, body)
        return event_id


def route(relay, name, kind, url, **fields):
    source = relay.api.source(f"from-{name}", "github", [SECRET])
    relay.api.route(source, relay.api.destination(name, kind, url, **fields))
    return source


@pytest.fixture
def node(make):
    """A relay with a history: delivered, dead, waiting for a retry and parked events, and repeats."""

    class Node:
        pass

    node = Node()
    node.relay = relay = make.relay()
    node.mood = {"late": 503}
    node.app = make.app(lambda got: node.mood["late"] if "late" in got.target else 422 if "bad" in got.target else 200)
    node.agent = make.agent(relay, allow=[node.app.address])
    good = route(relay, "good", "http", node.app.url + "/good")
    bad = route(relay, "bad", "http", node.app.url + "/bad", retry_schedule=["0"], final_statuses=[422])
    late = route(relay, "late", "http", node.app.url + "/late", retry_schedule=["0", "12s", "1h"])
    node.private = route(relay, "private", "agent", f"http://{node.app.address}/private", agent_id=node.agent.id)
    node.traffic = traffic = Traffic(relay)
    node.early = traffic.post(node.private, b"before the agent leaves")
    relay.api.wait_delivery(node.early, "delivered")
    node.agent.stop()
    node.good = [traffic.post(good, bytes(range(256)) + b"%d" % n) for n in range(EVENTS - 60)]
    node.bad = [traffic.post(bad, b"bad %d" % n) for n in range(20)]
    node.late = [traffic.post(late, b"late %d" % n) for n in range(3)]
    node.parked = [traffic.post(node.private, b"parked %d" % n) for n in range(36)]
    for event_id in node.good[:5]:
        assert relay.post(*traffic.sent[event_id]).json()["event_id"] == event_id
    for event_id in node.good:
        relay.api.wait_delivery(event_id, "delivered")
    for event_id in node.bad:
        relay.api.wait_delivery(event_id, "dead")
    relay.api.wait_delivery(node.parked[-1], "parked")
    node.retry_at = [relay.api.wait_delivery(event_id, "pending")["next_at"] for event_id in node.late]
    return node


def all_of(api):
    """Everything a person can see of a node, in one value."""
    events = {event["id"]: event for event in api.items("events")}
    deliveries = {delivery["id"]: api.delivery(delivery["id"]) for delivery in api.items("deliveries")}
    return {"events": events, "deliveries": deliveries, **{name: {it["id"]: it for it in api.items(name)}
                                                          for name in ("sources", "destinations", "routes", "agents")}}


def export(node, to):
    return postern("export", "--data-dir", node.relay.data, "--to", to)


def move(node, make, url, file):
    """A node of the new cluster, with copies of the old one's keys and its ports."""
    (make.directory / "new").mkdir()
    data = make.directory / "new" / "data"
    data.mkdir(mode=0o700)
    for name in ("master.key", "admin.key"):
        (data / name).touch(mode=0o600)
        (data / name).write_bytes((node.relay.data / name).read_bytes())
    done = postern("import", "--database", url, "--from", file, "--data-dir", data)
    assert "imported and compared" in done.stdout and f"event {EVENTS}" in done.stdout, done.stdout
    from harness.relay import Relay
    moved = Relay(make.directory / "new", database=url)
    moved.ports = dict(node.relay.ports)
    return moved


def same_but_for_time(before, after):
    """Deliveries that were under way or went on after the move may have another state; all else is the same."""
    for kind in ("events", "sources", "routes"):
        assert after[kind] == before[kind], kind
    # How each destination is doing just now (breaker, what is in flight) is the node's own.
    settings = lambda of: {key: {**it, "status": None} for key, it in of["destinations"].items()}
    assert settings(after) == settings(before)
    assert set(after["deliveries"]) == set(before["deliveries"])
    ended = [it for it in before["deliveries"].values() if it["state"] in ("delivered", "dead")]
    assert len(ended) > EVENTS - 60
    for delivery in ended:
        assert after["deliveries"][delivery["id"]] == delivery


def test_nothing_is_lost_on_the_way_to_postgresql(node, make, postgres, request):
    relay, app, traffic = node.relay, node.app, node.traffic
    assert len(traffic.sent) == EVENTS
    before = all_of(relay.api)
    key = relay.key
    relay.stop()
    file = make.directory / "moved.postern"
    said = export(node, file)
    assert "master.key" in said.stdout and file.stat().st_mode & 0o077 == 0
    assert b"PRIVATE KEY" not in file.read_bytes() and SECRET.encode() not in file.read_bytes()
    url = postgres.database()
    moved = move(node, make, url, file)
    request.addfinalizer(lambda: moved.process and moved.kill())
    moved.start()
    assert moved.key == key  # the same key opens the new node
    same_but_for_time(before, all_of(moved.api))
    for event_id, (_, _, body) in traffic.sent.items():
        assert moved.api.call("GET", f"events/{event_id}/body").body == body

    # Repeats are still known.
    counted = moved.api.get(f"events/{node.good[0]}")["duplicates"]
    for event_id in (node.good[0], node.good[-1], node.parked[0]):
        answer = moved.post(*traffic.sent[event_id])
        assert answer.json()["event_id"] == event_id, answer.body
    assert moved.api.get(f"events/{node.good[0]}")["duplicates"] == counted + 1

    # The agent comes back as it is: it knows the relay by its key, and the relay knows it.
    assert not any(b"parked" in got.body for got in app.received)
    node.agent.run()
    got = app.wait(len(node.parked), where=lambda got: got.body.startswith(b"parked"))
    assert [it.headers["postern-event-id"] for it in got] == node.parked
    for event_id in node.parked:
        assert moved.api.wait_delivery(event_id, "delivered")["attempt_count"] == 1

    # Retries go on where they were.
    node.mood["late"] = 200
    for event_id, due in zip(node.late, node.retry_at):
        delivery = moved.api.wait_delivery(event_id, "delivered", timeout=30)
        assert delivery["attempt_count"] == 2
        assert delivery["attempts"][-1]["started_at"] >= due

    # And it is a node like any other.
    event_id = Traffic(moved).post(node.private, b"after the move")
    moved.api.wait_delivery(event_id, "delivered")
    moved.stop()


def test_an_import_that_is_killed_is_not_served_and_starts_over(node, make, postgres, request):
    node.relay.stop()
    file = make.directory / "moved.postern"
    export(node, file)
    url = postgres.database()
    postern("migrate", "--database", url)
    # Another session holds the deliveries, so that the import stands still in the middle.
    holder = subprocess.Popen([binaries() / "psql", "-XqAt", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    request.addfinalizer(lambda: holder.poll() is None and holder.kill())
    holder.stdin.write("BEGIN; LOCK TABLE delivery IN SHARE MODE; SELECT 'held';\n")
    holder.stdin.flush()
    assert holder.stdout.readline().strip() == "held"
    half = subprocess.Popen([BIN / "postern", "import", "--database", url, "--from", file, "--data-dir", node.relay.data],
                            env=PLAIN)
    request.addfinalizer(lambda: half.poll() is None and half.kill())
    name = postgres.name_of(url)
    deadline = time.monotonic() + 30
    while postgres.query("SELECT count(*) FROM event", name) != [str(EVENTS)]:
        assert half.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    other = postern("import", "--database", url, "--from", file, "--data-dir", node.relay.data, ok=False)
    assert other.returncode == 1 and "Another import" in other.stderr
    half.kill()
    half.wait()
    holder.communicate("COMMIT;\n", timeout=10)
    refused = postern("serve", "--database", url, "--data-dir", node.relay.data, ok=False)
    assert refused.returncode == 1 and "postern import" in refused.stderr
    moved = move(node, make, url, file)
    request.addfinalizer(lambda: moved.process and moved.kill())
    moved.start()
    assert len(moved.api.items("events")) == EVENTS
    moved.stop()


def test_a_running_node_is_exported_only_as_a_backup(relay, make):
    source = relay.api.source("s", "github", [SECRET])
    event_id = Traffic(relay).post(source, b"stored")
    refused = postern("export", "--data-dir", relay.data, "--to", make.directory / "a", ok=False)
    assert refused.returncode == 1 and "stopped first" in refused.stderr and "--live" in refused.stderr
    assert not (make.directory / "a").exists()
    done = postern("export", "--data-dir", relay.data, "--to", make.directory / "a", "--live")
    assert "event 1" in done.stdout
    again = postern("export", "--data-dir", relay.data, "--to", make.directory / "a", "--live", ok=False)
    assert again.returncode == 1 and "there already" in again.stderr
    assert relay.api.get(f"events/{event_id}")["id"] == event_id


def test_a_backup_becomes_a_node_again(relay, make, request):
    app = make.app()
    agent = make.agent(relay, allow=[app.address])
    source = route(relay, "private", "agent", f"http://{app.address}/private", agent_id=agent.id)
    event_id = Traffic(relay).post(source, bytes(range(256)))
    relay.api.wait_delivery(event_id, "delivered")
    postern("export", "--data-dir", relay.data, "--to", make.directory / "backup", "--live")
    relay.kill()
    from harness.relay import Relay
    restored = Relay(make.directory / "restored")
    restored.data.mkdir(mode=0o700)
    for name in ("master.key", "admin.key"):
        (restored.data / name).touch(mode=0o600)
        (restored.data / name).write_bytes((relay.data / name).read_bytes())
    postern("import", "--from", make.directory / "backup", "--data-dir", restored.data)
    restored.ports = dict(relay.ports)
    request.addfinalizer(lambda: restored.process and restored.kill())
    restored.start()
    assert restored.key == relay.key
    assert restored.api.call("GET", f"events/{event_id}/body").body == bytes(range(256))
    # The agent knows the relay by its key, and comes back by itself.
    later = Traffic(restored).post(source, b"after the restore")
    restored.api.wait_delivery(later, "delivered", timeout=40)
    # A backup of the restored node is one, too.
    postern("export", "--data-dir", restored.data, "--to", make.directory / "again", "--live")
    restored.stop()


def test_what_is_not_supported_is_said(make, postgres, tmp_path):
    out = postern("export", "--database", postgres.database(), "--to", tmp_path / "x", ok=False)
    assert out.returncode == 1 and "pg_dump" in out.stderr
    (tmp_path / "x").write_text("not such a file")
    url = postgres.database()
    strange = postern("import", "--from", tmp_path / "x", "--database", url, ok=False)
    assert strange.returncode == 1 and "postern export" in strange.stderr
