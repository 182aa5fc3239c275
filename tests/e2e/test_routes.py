"""Routes with filters and transforms: what goes where, what is sent, and what a bad program costs."""
import json
import os
import signal
import subprocess
import threading
import time

import pytest

from harness import http, sign
from harness.process import BIN
from harness.relay import ApiError

SECRET = "a github secret of some length"
ENDLESS = "def f: f; f"
BOMB = 'reduce range(60) as $i ("xx"; . + .)'


def make_source(relay, name="hub"):
    return relay.api.source(name, "github", [SECRET])


def route(relay, source, app, name, **programs):
    destination = relay.api.destination(name, "http", f"{app.url}/{name}")
    relay.api.post("routes", {"source_id": source["id"], "destination_id": destination["id"], **programs})
    return destination


def post(relay, source, body=None, event="push", **headers):
    data = body if isinstance(body, bytes) else json.dumps(body or {"n": 1}).encode()
    answer = relay.post(source, {**sign.github(SECRET, data, event=event), "Content-Type": "application/json", **headers},
                        data)
    assert answer.status == 202, answer
    return answer.json()["event_id"]


def by_destination(relay, event_id):
    return {d["destination_id"]: d for d in relay.api.deliveries(event_id)}


def workers(relay):
    """Processes the relay runs programs in."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = open(f"/proc/{pid}/stat").read()
            command = open(f"/proc/{pid}/cmdline", "rb").read()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parent = int(stat.rsplit(")", 1)[1].split()[1])
        if parent == relay.process.pid and b"jq-worker" in command:
            found.append(int(pid))
    return found


def metric(relay, line):
    for each in http.send("GET", relay.admin + "/metrics").body.decode().splitlines():
        if each.startswith(line + " "):
            return float(each.rsplit(" ", 1)[1])
    return 0.0


def test_an_event_fans_out_by_the_filters_of_its_routes(relay, make):
    app = make.app()
    source = make_source(relay)
    opened = route(relay, source, app, "opened", filter='.body.action == "opened"')
    pushes = route(relay, source, app, "pushes", filter='.headers["x-github-event"] == "push"')
    every = route(relay, source, app, "every")
    first = post(relay, source, {"action": "opened"}, event="issues")
    second = post(relay, source, {"action": "closed"}, event="push")
    for event_id in (first, second):
        relay.api.wait_delivery(event_id, "delivered")
    got = app.wait(4)
    assert sorted(r.target for r in got) == ["/every", "/every", "/opened", "/pushes"]
    skipped = by_destination(relay, first)[pushes["id"]]
    assert (skipped["state"], skipped["reason"], skipped["attempt_count"]) == ("cancelled", "filtered", 0)
    assert by_destination(relay, second)[opened["id"]]["reason"] == "filtered"
    assert every["id"] in by_destination(relay, first)
    assert metric(relay, 'postern_route_programs_total{result="skipped"}') == 2


def test_without_programs_nothing_is_started_and_bytes_stay(relay, make):
    app = make.app()
    source = make_source(relay)
    route(relay, source, app, "plain")
    body = b'{"spaced" :  "out", "n": 1.0}'
    post(relay, source, body)
    assert app.wait()[0].body == body
    assert workers(relay) == []


def test_a_transform_arrives_signed_and_is_kept(relay, make):
    status = [500]
    app = make.app(lambda received: status[0])
    source = make_source(relay)
    destination = relay.api.destination("team", "http", app.url, retry_schedule=["0", "50ms", "50ms", "50ms"])
    relay.api.post("routes", {
        "source_id": source["id"], "destination_id": destination["id"],
        "transform": '{"$body": {text: "n=\\(.body.n) of \\(.event.type)"}, "$headers": {"X-From": .event.source}}'})
    event_id = post(relay, source, {"n": 7}, **{"X-From": "the provider", "X-Other": "kept"})
    app.wait(2)
    status[0] = 200
    delivery = relay.api.wait_delivery(event_id, "delivered")
    for got in app.received:
        assert got.body == b'{"text":"n=7 of push"}'
        assert got.headers["content-type"] == "application/json"
        assert [v for n, v in got.header_list if n.lower() == "x-from"] == ["hub"]
        assert got.headers["x-other"] == "kept"
        assert sign.verify_standard_webhooks(destination["signing_secret"], got.headers, got.body)
    assert delivery["payload"]["body"] == '{"text":"n=7 of push"}'
    assert delivery["payload_size"] == len(delivery["payload"]["body"])
    # The event itself is as it came.
    assert relay.api.call("GET", f"events/{event_id}/body").json() == {"n": 7}


def test_a_transform_may_be_text_of_another_kind(relay, make):
    app = make.app()
    source = make_source(relay)
    route(relay, source, app, "form", transform='{"$body": "n=\\(.body.n)", "$content_type": "application/x-www-form-urlencoded"}')
    post(relay, source)
    got = app.wait()[0]
    assert (got.body, got.headers["content-type"]) == (b"n=1", "application/x-www-form-urlencoded")


def test_a_restart_sends_what_was_stored(relay, make):
    app = make.app(lambda received: 503)
    source = make_source(relay)
    destination = relay.api.destination("slow", "http", app.url, retry_schedule=["0", "1s", "1s", "1s", "1s", "1s"])
    made = relay.api.post("routes", {"source_id": source["id"], "destination_id": destination["id"],
                                     "transform": "{was: .body.n}"})
    event_id = post(relay, source, {"n": 3})
    app.wait(1)
    relay.api.ok("PATCH", f"routes/{made['id']}", {"transform": "{now: .body.n}"})
    relay.kill()
    app.respond = lambda received: 200
    relay.start()
    relay.api.wait_delivery(event_id, "delivered")
    assert {r.body for r in app.received} == {b'{"was":3}'}


def test_replay_with_the_original_and_the_current_configuration(relay, make):
    app = make.app()
    source = make_source(relay)
    destination = relay.api.destination("sink", "http", app.url)
    made = relay.api.post("routes", {"source_id": source["id"], "destination_id": destination["id"],
                                     "transform": "{first: .body.n}"})
    event_id = post(relay, source)
    app.wait(1)
    relay.api.ok("PATCH", f"routes/{made['id']}", {"transform": "{second: .body.n}"})
    relay.api.post(f"events/{event_id}/replay")
    assert app.wait(2)[1].body == b'{"first":1}'
    relay.api.post(f"events/{event_id}/replay", {"configuration": "current"})
    assert app.wait(3)[2].body == b'{"second":1}'
    relay.api.ok("PATCH", f"routes/{made['id']}", {"transform": ""})
    relay.api.post(f"events/{event_id}/replay", {"configuration": "current", "destination_id": destination["id"]})
    assert app.wait(4)[3].body == b'{"n": 1}'
    refused = relay.api.call("POST", f"events/{event_id}/replay", {"configuration": "newest"})
    assert refused.status == 422 and b"original" in refused.body


def test_what_a_program_settled_is_replayed_with_the_current_one_only(relay, make):
    app = make.app()
    source = make_source(relay)
    destination = relay.api.destination("sink", "http", app.url)
    made = relay.api.post("routes", {"source_id": source["id"], "destination_id": destination["id"],
                                     "filter": ".body.n > 5"})
    event_id = post(relay, source)
    skipped = relay.api.wait_delivery(event_id, "cancelled")
    again = relay.api.call("POST", f"events/{event_id}/replay")
    assert again.status == 409 and again.json()["code"] == "not_replayable" and "current" in again.json()["detail"]
    retry = relay.api.call("POST", f"deliveries/{skipped['id']}/retry")
    assert retry.status == 409 and retry.json()["code"] == "not_retryable"
    assert app.received == []
    relay.api.ok("PATCH", f"routes/{made['id']}", {"filter": ".body.n > 0"})
    relay.api.post(f"events/{event_id}/replay", {"configuration": "current"})
    delivered = relay.api.wait_delivery(event_id, "delivered")
    assert delivered["replay_of"] == skipped["id"]
    # Still filtered: seen, not sent.
    relay.api.ok("PATCH", f"routes/{made['id']}", {"filter": "false"})
    ids = relay.api.post(f"events/{event_id}/replay", {"configuration": "current"})["delivery_ids"]
    assert relay.api.delivery(ids[0])["reason"] == "filtered"
    assert len(app.received) == 1


def test_a_program_that_never_ends_costs_its_time_and_hurts_no_other(relay, make):
    app = make.app()
    source, other = make_source(relay), make_source(relay, "other")
    bad = route(relay, source, app, "bad", filter=ENDLESS)
    good = route(relay, source, app, "good", filter=".body.n == 1")
    route(relay, other, app, "apart", transform="{n: .body.n}")
    relay.post(other, sign.github(SECRET, b'{"n":0}'), b'{"n":0}')
    stop = threading.Event()
    slow = []

    def flood():
        while not stop.is_set():
            slow.append(relay.post(source, sign.github(SECRET, b'{"n":1}'), b'{"n":1}').status)

    flooding = [threading.Thread(target=flood) for _ in range(4)]
    for thread in flooding:
        thread.start()
    took = []
    for n in range(30):
        began = time.monotonic()
        body = json.dumps({"n": n}).encode()
        assert relay.post(other, sign.github(SECRET, body), body).status == 202
        took.append(time.monotonic() - began)
    stop.set()
    for thread in flooding:
        thread.join()
    assert sorted(took)[len(took) // 2] < 1, took
    assert set(slow) <= {202, 503}
    event_id = post(relay, source)
    deliveries = by_destination(relay, event_id)
    assert deliveries[bad["id"]]["state"] == "dead"
    assert deliveries[bad["id"]]["reason"].startswith("filter_failed: ")
    relay.api.wait_delivery(event_id, "delivered")
    assert by_destination(relay, event_id)[good["id"]]["state"] == "delivered"


@pytest.mark.parametrize("programs, reason", [
    ({"filter": ENDLESS}, "filter_failed: the filter took more than 100ms of CPU time"),
    ({"filter": BOMB}, "filter_failed: the filter took more than 64 MiB of memory"),
    ({"transform": BOMB}, "transform_failed: the transform took more than 64 MiB of memory"),
    ({"filter": ".body.n.x"}, "filter_failed: Cannot index number with"),
    ({"transform": 'error("no such customer")'}, "transform_failed: no such customer"),
    ({"transform": 'reduce range(21) as $i ("x"; . + .)'}, "transform_failed: the transform gave 2097154 bytes"),
    ({"transform": '{"$body": 1, "$headers": {"Host": "evil"}}'}, "transform_failed: the header Host cannot be set"),
    ({"transform": "halt"}, "transform_failed: halt is not available"),
])
def test_a_program_that_fails_says_how(relay, make, programs, reason):
    app = make.app()
    source = make_source(relay)
    route(relay, source, app, "bad", **programs)
    route(relay, source, app, "good")
    event_id = post(relay, source)
    dead = relay.api.wait_delivery(event_id, "dead")
    assert dead["reason"].startswith(reason) and len(dead["reason"].encode()) <= 200
    assert dead["attempts"] == [] and dead["payload"] is None
    assert [r.target for r in app.wait()] == ["/good"]


def test_a_bad_program_is_refused_with_the_reason(relay, make):
    source = make_source(relay)
    destination = relay.api.destination("sink", "http", "http://127.0.0.1:1234")
    ends = {"source_id": source["id"], "destination_id": destination["id"]}
    with pytest.raises(ApiError) as refused:
        relay.api.post("routes", {**ends, "filter": ".body |\n.n ==", "transform": "nosuch(.)"})
    answer = refused.value.answer
    errors = {e["field"]: e["message"] for e in answer.json()["errors"]}
    assert answer.status == 422
    assert "syntax error" in errors["filter"] and "line 2" in errors["filter"]
    assert "nosuch/1 is not defined" in errors["transform"]
    made = relay.api.post("routes", {**ends, "filter": ".body"})
    assert made["filter"] == ".body" and made["transform"] == ""
    changed = relay.api.call("PATCH", f"routes/{made['id']}", {"filter": "{"})
    assert changed.status == 422
    too_long = relay.api.call("PATCH", f"routes/{made['id']}", {"filter": "." + " " * 8192})
    assert too_long.status == 422 and b"8192" in too_long.body
    assert relay.api.get(f"routes/{made['id']}")["filter"] == ".body"
    assert relay.api.call("PATCH", f"routes/{made['id']}", {"transform": 'import "a" as a; .'}).status == 422


def test_programs_are_tried_before_they_are_saved(relay, make):
    source = make_source(relay)
    app = make.app()
    route(relay, source, app, "sink")
    event_id = post(relay, source, {"n": 4})
    tried = relay.api.post("routes/test", {"event_id": event_id, "filter": ".body.n == 4", "transform": "{m: .body.n}"})
    assert tried["outcome"] == "delivered" and tried["payload"]["body"] == '{"m":4}'
    assert tried["input"]["body"] == {"n": 4} and tried["input"]["event"]["id"] == event_id
    assert tried["input"]["event"]["provider"] == "github" and tried["input"]["event"]["source"] == "hub"
    skipped = relay.api.post("routes/test", {"sample": {"body": {"n": 1}, "headers": {"X-A": "b"}, "query": "q=1"},
                                             "filter": '.headers["x-a"] == "c"'})
    assert (skipped["outcome"], skipped["reason"]) == ("skipped", "filtered")
    failed = relay.api.post("routes/test", {"sample": {"body_text": "a=1"}, "filter": "error(\"no\")"})
    assert failed["outcome"] == "failed" and failed["reason"].startswith("filter_failed: ")
    endless = relay.api.post("routes/test", {"filter": ENDLESS})
    assert "CPU time" in endless["message"]
    assert relay.api.call("POST", "routes/test", {"event_id": "evt_00000000000000000000000000"}).status == 404


def test_a_killed_worker_hurts_no_event(relay, make):
    app = make.app()
    source = make_source(relay)
    route(relay, source, app, "sink", transform="{n: .body.n}")
    for n in range(10):
        event_id = post(relay, source, {"n": n})
        relay.api.wait_delivery(event_id, "delivered")
        for pid in workers(relay):
            os.kill(pid, signal.SIGKILL)
    assert [json.loads(r.body)["n"] for r in app.wait(10)] == list(range(10))
    assert metric(relay, 'postern_route_workers_ended_total{fault="lost"}') >= 1


def test_workers_end_with_the_relay(relay, make):
    app = make.app()
    source = make_source(relay)
    route(relay, source, app, "sink", filter="true")
    post(relay, source)
    app.wait()
    running = workers(relay)
    assert running
    relay.kill()
    deadline = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{pid}") for pid in running):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_worker_has_nothing_of_the_host(relay, make):
    app = make.app()
    source = make_source(relay)
    route(relay, source, app, "sink", transform="[env, $ENV, input_filename]")
    post(relay, source)
    assert app.wait()[0].body == b"[{},{},null]"
    for pid in workers(relay):
        status = open(f"/proc/{pid}/status").read()
        assert "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status
        if os.geteuid() == 0:  # nobody else may look
            assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2", "3"]


def test_a_transform_reaches_an_app_behind_an_agent(relay, make):
    app = make.app()
    agent = make.agent(relay, allow=[app.address])
    source = make_source(relay)
    destination = relay.api.destination("crm", "agent", app.url + "/hooks", agent_id=agent.id)
    relay.api.post("routes", {"source_id": source["id"], "destination_id": destination["id"],
                              "transform": '{"$body": {m: .body.n}, "$headers": {"X-Many": ["1", "2"]}}'})
    post(relay, source, {"n": 9})
    got = app.wait()[0]
    assert got.body == b'{"m":9}' and got.headers["content-type"] == "application/json"
    assert [v for n, v in got.header_list if n == "X-Many"] == ["1", "2"]
    assert sign.verify_standard_webhooks(destination["signing_secret"], got.headers, got.body)


def test_the_command_line_makes_tries_and_changes_programs(relay, make, tmp_path):
    def cli(*arguments):
        return subprocess.run([BIN / "postern", *arguments, "--data-dir", relay.data], capture_output=True, text=True,
                              timeout=30)

    make_source(relay)
    relay.api.destination("sink", "http", make.app().url)
    program = tmp_path / "filter.jq"
    program.write_text(".body.n\n| . > 1\n")
    refused = cli("routes", "create", "--source", "hub", "--destination", "sink", "--filter", ".body ==")
    assert refused.returncode == 1 and "line 1" in refused.stderr
    made = cli("routes", "create", "--source", "hub", "--destination", "sink", "--filter-file", program, "--json")
    assert json.loads(made.stdout)["filter"] == ".body.n\n| . > 1"
    tried = cli("routes", "test", "--filter-file", program, "--body", '{"n":2}', "--transform", ".body.n", "--json")
    assert json.loads(tried.stdout)["payload"]["body"] == "2", tried.stderr
    assert "skipped" in cli("routes", "test", "--filter", "false").stdout
    changed = cli("routes", "update", json.loads(made.stdout)["id"], "--filter", "", "--json")
    assert json.loads(changed.stdout)["filter"] == "", changed.stderr


def test_a_transform_writes_the_slack_message(make):
    slack = make.app(lambda received: (200, {}, b"ok"))
    relay = make.relay(name="slacking", env={"POSTERN_SLACK_BASE_URL": slack.url})
    source = make_source(relay)
    destination = relay.api.destination("team", "slack", "https://hooks.slack.com/services/T000/B000/XXXX")
    relay.api.post("routes", {"source_id": source["id"], "destination_id": destination["id"],
                              "transform": '{text: "Pushed \\(.body.n) times"}'})
    post(relay, source, {"n": 2})
    assert json.loads(slack.wait()[0].body) == {"text": "Pushed 2 times"}
