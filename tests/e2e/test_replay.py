"""Delivering many again: what died while an app was broken, at a rate, across a kill of the relay, once each."""
import json
import subprocess
import time
from collections import Counter

import pytest

from harness import sign
from harness.process import BIN

SECRET = "a github secret of some length"


def connect(relay, url, name="sink", **fields):
    source = relay.api.source(f"from-{name}", "github", [SECRET])
    destination = relay.api.destination(name, "http", url, **fields)
    relay.api.route(source, destination)
    return source, destination


def post(relay, source, count, event="push"):
    ids = []
    for number in range(count):
        body = b'{"n":%d,"at":"%s"}' % (number, event.encode())
        answer = relay.post(source, sign.github(SECRET, body, event=event), body)
        assert answer.status == 202, answer
        ids.append(answer.json()["event_id"])
    return ids


def wait_for(look, what, timeout=30.0):
    deadline = time.monotonic() + timeout
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"{what} did not come in {timeout} s"
        time.sleep(0.05)


def wait_dead(relay, count, query=""):
    wait_for(lambda: len(relay.api.items(f"deliveries?state=dead&limit=500{query}")) == count, f"{count} dead deliveries")


def wait_state(relay, replay, state):
    return wait_for(lambda: (now := relay.api.get(f"replays/{replay['id']}"))["state"] == state and now, f"state {state}")


@pytest.fixture
def broken(make):
    """A relay with an app that answers 422 and 500 in turn until it is mended."""
    class Broken:
        status = None

        def respond(self, received):
            return self.status or (422 if len(self.app.received) % 2 else 500)

    it = Broken()
    it.app = make.app(lambda received: it.respond(received))
    it.relay = make.relay()
    # Everything is to die at once: no retries, which have a budget, and no breaker, which would keep them waiting.
    it.source, it.destination = connect(it.relay, it.app.url, retry_schedule=["0"], final_statuses=[422], breaker={"enabled": False})
    return it


def arrivals(app):
    return Counter(r.headers["postern-event-id"] for r in app.received)


def test_everything_dead_arrives_once_more_across_a_kill(broken, make):
    relay, app, api = broken.relay, broken.app, broken.relay.api
    events = post(relay, broken.source, 300)
    wait_dead(relay, 300)
    counts = {item["reason"]: item["count"] for item in api.get("deliveries/summary")["items"]}
    assert sum(counts.values()) == 300
    broken.status = 200
    app.received.clear()

    dry = api.post("replays", {"state": "dead", "source_id": broken.source["id"], "dry_run": True})
    assert dry["matching"] == 300 and not dry["matching_is_least"] and len(dry["sample"]) == 5
    assert api.items("replays") == [] and app.received == []

    replay = api.post("replays", {"state": "dead", "source_id": broken.source["id"], "rate": 100})
    assert replay["estimate"] == 300 and replay["state"] == "running"
    app.wait(60)
    relay.kill()
    half = len(app.received)
    assert half < 300
    relay.start()
    done = wait_state(relay, replay, "done")
    assert done["made"] == 300 and done["delivered"] == 300 and done["open"] == 0 and done["finished_at"]
    seen = arrivals(app)
    assert set(seen) == set(events)
    # A delivery that was under way when the relay was killed may come again: at least once is the promise.
    made = relay.api.items(f"deliveries?replay_id={replay['id']}&limit=500")
    assert Counter(d["event_id"] for d in made) == Counter(events)
    assert all(d["state"] == "delivered" and d["replay_of"] for d in made)
    by_delivery = Counter(r.headers["postern-delivery-id"] for r in app.received)
    assert sum(1 for count in by_delivery.values() if count > 1) <= 64 and len(by_delivery) == 300

    assert api_again(relay, broken.source)["matching"] == 0


def api_again(relay, source):
    return relay.api.post("replays", {"state": "dead", "source_id": source["id"], "dry_run": True})


def test_the_rate_is_kept(broken):
    relay, app = broken.relay, broken.app
    post(relay, broken.source, 40)
    wait_dead(relay, 40)
    broken.status = 200
    app.received.clear()
    relay.api.post("replays", {"rate": 20})
    got = app.wait(40)
    took = max(r.at for r in got) - min(r.at for r in got)
    assert 1.8 <= took <= 6, took


def test_cancel_stops_it(broken):
    relay, app, api = broken.relay, broken.app, broken.relay.api
    post(relay, broken.source, 60)
    wait_dead(relay, 60)
    broken.status = 200
    app.received.clear()
    replay = api.post("replays", {"rate": 5})
    app.wait(2)
    cancelled = api.post(f"replays/{replay['id']}/cancel")
    assert cancelled["state"] == "cancelled" and cancelled["made"] < 60
    ended = lambda: all(d["state"] in ("delivered", "cancelled")
                        for d in api.items(f"deliveries?replay_id={replay['id']}&limit=500"))
    wait_for(ended, "the end of what was made")
    arrived = len(app.received)
    assert arrived < 60
    assert api.call("POST", f"replays/{replay['id']}/cancel").status == 409
    reasons = {d["reason"] for d in api.items("deliveries?state=cancelled&limit=500")}
    assert reasons == {"replay_cancelled"}
    audit = [entry["action"] for entry in api.items("audit")]
    assert "replay.created" in audit and "replay.cancelled" in audit


def test_filters_leave_the_others_alone(broken, make):
    relay, app, api = broken.relay, broken.app, broken.relay.api
    wanted = post(relay, broken.source, 5, "release")
    post(relay, broken.source, 7, "push")
    wait_dead(relay, 12)
    wait_dead(relay, 5, "&type=release")
    wait_dead(relay, 12, f"&source_id={broken.source['id']}")
    assert api.items("deliveries?state=dead&until=2020-01-01T00:00:00Z") == []
    assert len(api.items("deliveries?state=dead&since=2020-01-01T00:00:00Z&limit=500")) == 12
    broken.status = 200
    app.received.clear()
    replay = api.post("replays", {"type": "release", "destination_id": broken.destination["id"], "rate": 1000})
    done = wait_state(relay, replay, "done")
    assert done["made"] == 5 and arrivals(app) == Counter(wanted)
    assert len(api.items("deliveries?state=dead&limit=500")) == 12  # what is over stays as it is


def test_the_current_configuration_mends_what_a_program_broke_across_a_kill(make):
    """A transform that was wrong for 200 events: the route is mended, and each arrives once, made anew."""
    app, relay = make.app(), make.relay()
    source = relay.api.source("shop", "github", [SECRET])
    destination = relay.api.destination("app", "http", app.url, breaker={"enabled": False})
    route = relay.api.post("routes", {"source_id": source["id"], "destination_id": destination["id"],
                                      "transform": '{n: (.body.n | if . % 2 == 0 then error("even") else . end)}'})
    events = post(relay, source, 200)
    wait_dead(relay, 100)
    app.wait(100)
    app.received.clear()
    assert relay.api.post("replays", {"dry_run": True})["matching"] == 0, "there are no bytes that could be sent again"
    wanted = {"configuration": "current", "reason": "transform_failed", "rate": 100}
    assert relay.api.post("replays", {**wanted, "dry_run": True})["matching"] == 100

    relay.api.ok("PATCH", f"routes/{route['id']}", {"transform": "{mended: .body.n}"})
    replay = relay.api.post("replays", wanted)
    assert replay["configuration"] == "current" and replay["estimate"] == 100
    app.wait(20)
    relay.kill()
    relay.start()
    done = wait_state(relay, replay, "done")
    assert done["made"] == done["delivered"] == 100 and done["skipped"] == {"body_expired": 0, "destination_deleted": 0, "no_route": 0}
    by_delivery = {r.headers["postern-delivery-id"]: json.loads(r.body)["mended"] for r in app.received}
    assert Counter(by_delivery.values()) == Counter(range(0, 200, 2))
    assert set(arrivals(app)) == set(events[0::2])

    relay.api.call("DELETE", f"routes/{route['id']}")
    gone = wait_state(relay, relay.api.post("replays", {"configuration": "current", "state": "delivered", "rate": 1000}), "done")
    assert gone["made"] == 0 and gone["skipped"]["no_route"] == 200


def test_what_cannot_be_done_is_refused_with_the_reason(broken):
    api = broken.relay.api
    for body, word in (({"configuration": "newest"}, "configuration"), ({"state": "pending"}, "state"),
                       ({"rate": 0}, "rate"), ({"since": "2999-01-01T00:00:00Z"}, "since"),
                       ({"source_id": "src_" + "0" * 26}, "source_id")):
        answer = api.call("POST", "replays", body)
        assert answer.status == 422 and word in answer.body.decode(), answer.body
    key = {"Idempotency-Key": "once"}
    first = api.call("POST", "replays", {}, headers=key)
    again = api.call("POST", "replays", {}, headers=key)
    assert first.status == again.status == 201 and first.json()["id"] == again.json()["id"]


def test_the_command_line_shows_and_does_it(broken):
    relay = broken.relay

    def postern(*args):
        done = subprocess.run([BIN / "postern", *args, "--data-dir", relay.data], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    post(relay, broken.source, 12)
    wait_dead(relay, 12)
    broken.status = 200
    listed = postern("deliveries", "list", "--state", "dead", "--source", broken.source["name"], "--limit", "3")
    assert listed.count("dlv_") == 3
    assert "dlv_" not in postern("deliveries", "list", "--state", "dead", "--reason", "no_such_reason")
    assert "retries_exhausted" in postern("deliveries", "reasons")
    assert "12 deliveries match" in postern("replays", "create", "--source", broken.source["name"], "--dry-run")
    begun = json.loads(postern("replays", "create", "--source", broken.source["name"], "--rate", "100", "--json"))
    watched = postern("replays", "watch", begun["id"])
    assert "12 of 12 made, 12 delivered, 0 failed, 0 under way  done" in watched
    assert begun["id"] in postern("replays", "list")
    assert "done" in postern("replays", "show", begun["id"])


@pytest.mark.engine("postgres")
def test_another_node_goes_on_when_one_dies(make):
    status = [500]
    app = make.app(lambda received: status[0])
    fast = {"POSTERN_CLUSTER_LEASE_TIME": "2s"}
    one = make.relay("one", env=fast)
    source, _ = connect(one, app.url, retry_schedule=["0"], breaker={"enabled": False})
    events = post(one, source, 100)
    wait_dead(one, 100)
    two = make.node(one, "two", env=fast)
    status[0] = 200
    app.received.clear()
    replay = one.api.post("replays", {"rate": 20})
    app.wait(20)
    one.kill()
    done = wait_state(two, replay, "done")
    assert done["made"] == 100
    made = two.api.items(f"deliveries?replay_id={replay['id']}&limit=500")
    assert Counter(d["event_id"] for d in made) == Counter(events)
