"""A store that stands still: what is given up, what is not, and that all of it comes back."""
import contextlib
import sqlite3
import subprocess
import time

from harness import http, load, sign
from harness.load import SECRET
from harness.postgres import binaries


def metric(relay, name, **labels):
    text = http.send("GET", relay.admin + "/metrics").body.decode()
    for line in text.splitlines():
        if line.startswith(name) and all(f'{k}="{v}"' in line for k, v in labels.items()):
            return float(line.rsplit(" ", 1)[1])
    raise AssertionError(f"no {name} {labels}")


def wait_for(ask, what, timeout=30.0):
    deadline = time.monotonic() + timeout
    while not ask():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@contextlib.contextmanager
def standing_store(relay, postgres):
    """Nothing can be written until the block ends; reading goes on."""
    if relay.database is None:
        with contextlib.closing(sqlite3.connect(relay.data / "postern.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
        return
    argv = [binaries() / "psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-h", postgres.directory, "-p", str(postgres.port),
            "-U", "postgres", "-d", postgres.name_of(relay.database)]
    holder = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    holder.stdin.write("BEGIN;\nLOCK TABLE event IN EXCLUSIVE MODE;\n\\echo held\n")
    holder.stdin.flush()
    assert holder.stdout.readline().strip() == "held"
    yield
    holder.stdin.close()
    holder.wait()


class Flood(load.Flood):
    """A few senders who do not wait: what each of their events was answered."""

    def __init__(self, relay, source):
        self.answers = {}
        super().__init__(relay, source, pause=0.01)

    def _note(self, body, answer):
        self.answers[body] = answer

    def saw(self, code):
        with self._changed:
            return any(answer.status == 503 and answer.json()["code"] == code for answer in self.answers.values())

    def stop(self):
        super().stop()
        return self.answers


def test_what_is_given_up_when_the_store_stands_still(make, request, engine):
    relay = make.relay(env={"POSTERN_OVERLOAD_WAIT": "500ms"})
    postgres = request.getfixturevalue("postgres") if engine == "postgres" else None
    app = make.app()
    source = relay.api.source("hub", "github", [SECRET])
    destination = relay.api.destination("app", "http", app.url)
    relay.api.route(source, destination)
    flood = Flood(relay, source)
    with standing_store(relay, postgres):
        wait_for(lambda: flood.saw("overloaded"), "no event was refused early")
        events = relay.api.call("GET", "events")
        assert (events.status, events.json()["code"], events.headers["Retry-After"]) == (503, "overloaded", "5")
        assert relay.api.call("GET", "deliveries").status == 503
        assert relay.api.call("POST", "replays", {"dry_run": True}).status == 503
        assert relay.api.get("destinations")["items"][0]["id"] == destination["id"]
        assert relay.api.get("replays")["items"] == []
        assert http.send("GET", relay.admin + "/health/live").status == 200
        assert metric(relay, "postern_load_level") >= 4
    wait_for(lambda: metric(relay, "postern_load_level") == 0, "the load never ended")
    answers = flood.stop()
    assert metric(relay, "postern_shed_total", kind="events") > 0
    assert metric(relay, "postern_shed_total", kind="reads") > 0
    assert relay.api.call("GET", "events").status == 200
    accepted = {body for body, answer in answers.items() if answer.status == 202}
    app.wait(len(accepted), where=lambda received: received.body in accepted)
    assert {answer.status for answer in answers.values()} <= {202, 503}
    assert "load.level" in relay.log()


def test_a_replay_says_that_it_is_held_back_and_goes_on(make, request, engine):
    relay = make.relay(env={"POSTERN_OVERLOAD_WAIT": "500ms"})
    postgres = request.getfixturevalue("postgres") if engine == "postgres" else None
    app = make.app(lambda received: 500)
    source = relay.api.source("hub", "github", [SECRET])
    relay.api.route(source, relay.api.destination("app", "http", app.url, retry_schedule=["0"], breaker={"enabled": False}))
    for number in range(5):
        body = b'{"n":%d}' % number
        assert relay.post(source, sign.github(SECRET, body), body).status == 202
    wait_for(lambda: len(relay.api.items("deliveries?state=dead")) == 5, "five should have died")
    app.respond = lambda received: 200
    replay = relay.api.post("replays", {"rate": 1})
    flood = Flood(relay, source)
    with standing_store(relay, postgres):
        wait_for(lambda: relay.api.get(f"replays/{replay['id']}")["held_back"], "the replay never said so")
        wait_for(lambda: metric(relay, "postern_shed_total", kind="replays") > 0, "no step was put off")
    flood.stop()
    wait_for(lambda: relay.api.get(f"replays/{replay['id']}")["state"] == "done", "the replay never went on")
    assert relay.api.get(f"replays/{replay['id']}")["delivered"] == 5
