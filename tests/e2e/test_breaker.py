"""A destination under fire: its breaker, its rate, and strict order, with the real program."""
import socket
import subprocess
import time

from harness import sign
from harness.process import BIN

SECRET = "a github secret of some length"
BREAKER = {"failures_in_a_row": 3, "open_first": "500ms", "open_most": "1s"}


def connect(relay, url, name="sink", **fields):
    source = relay.api.source(f"from-{name}", "github", [SECRET])
    destination = relay.api.destination(name, "http", url, **fields)
    relay.api.route(source, destination)
    return source, destination


def post(relay, source, number):
    body = b'{"n":%d}' % number
    answer = relay.post(source, sign.github(SECRET, body), body)
    assert answer.status == 202, answer
    return answer.json()["event_id"]


def status(relay, destination):
    return relay.api.get(f"destinations/{destination['id']}")["status"]


def wait_for(ask, what, timeout=20.0):
    deadline = time.monotonic() + timeout
    while not ask():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def wait_state(relay, destination, state):
    wait_for(lambda: status(relay, destination)["breaker"]["state"] == state, f"the breaker never became {state}")


def in_state(relay, state):
    return relay.api.items(f"deliveries?state={state}&limit=500")


def numbers(received):
    return [int(r.body.decode().split(":")[1].rstrip("}")) for r in received]


def test_a_failing_destination_is_parked_and_drained_in_order_when_it_recovers(relay, make):
    up = [False]
    app = make.app(lambda received: 200 if up[0] else 503)
    source, destination = connect(relay, app.url, concurrency=1, retry_schedule=["0"] + ["300ms"] * 60,
                                  breaker={**BREAKER, "open_first": "2s", "open_most": "2s"})
    # One at a time: each has failed before the next comes, so exactly three are spent.
    for number in range(3):
        post(relay, source, number)
        app.wait(number + 1)
    wait_state(relay, destination, "open")
    assert status(relay, destination)["mode"] == "broken"
    waiting = [post(relay, source, number) for number in range(3, 40)]
    for event in waiting[17:]:  # probes take the oldest only
        delivery = relay.api.wait_delivery(event, "parked")
        assert delivery["reason"] == "breaker_open" and delivery["attempt_count"] == 0
    up[0] = True
    for event in waiting:
        relay.api.wait_delivery(event, "delivered")
    wait_state(relay, destination, "closed")
    late = [n for n in numbers(app.received) if n >= 20]
    assert late == sorted(late), "the backlog drains oldest first"
    assert "destination.breaker" in relay.log()


def test_a_reset_over_rest_closes_it_now(relay, make):
    up = [False]
    app = make.app(lambda received: 200 if up[0] else 503)
    slow = {**BREAKER, "open_first": "10m", "open_most": "10m"}
    source, destination = connect(relay, app.url, concurrency=1, breaker=slow, retry_schedule=["0", "1h"])
    for number in range(3):
        post(relay, source, number)
        app.wait(number + 1)
    wait_state(relay, destination, "open")
    event = post(relay, source, 3)
    relay.api.wait_delivery(event, "parked")
    up[0] = True
    assert relay.api.post(f"destinations/{destination['id']}/breaker/reset") is None
    relay.api.wait_delivery(event, "delivered")
    wait_state(relay, destination, "closed")
    assert any(entry["action"] == "destination.breaker_reset" for entry in relay.api.items("audit"))


def test_a_client_error_opens_nothing(relay, make):
    app = make.app(lambda received: 404)
    source, destination = connect(relay, app.url, breaker=BREAKER, retry_schedule=["0"])
    for number in range(8):
        relay.api.wait_delivery(post(relay, source, number), "dead")
    assert status(relay, destination)["breaker"]["state"] == "closed"
    assert len(app.received) == 8


def test_a_dead_host_costs_a_few_attempts(relay, make):
    with socket.create_server(("127.0.0.1", 0)) as taken:  # a port that nothing listens on afterwards
        port = taken.getsockname()[1]
    source, destination = connect(relay, f"http://127.0.0.1:{port}/", concurrency=1,
                                  breaker={**BREAKER, "open_first": "10m", "open_most": "10m"},
                                  retry_schedule=["0", "1h"])
    for number in range(60):
        post(relay, source, number)
    wait_state(relay, destination, "open")
    wait_for(lambda: len(in_state(relay, "parked")) == 57, "those that were not tried are not parked")
    assert [d["attempt_count"] for d in in_state(relay, "pending")] == [1, 1, 1]


def test_no_more_arrive_than_the_rate_allows(relay, make):
    app = make.app()
    source, _ = connect(relay, app.url, rate_limit={"per_second": 10, "burst": 5})
    began = time.monotonic()
    for number in range(60):
        post(relay, source, number)
    app.wait(30)
    for got, received in enumerate(list(app.received), 1):
        assert got <= 5 + 10 * (received.at - began) + 1, "faster than the rate"
    app.wait(60)
    assert sorted(numbers(app.received)) == list(range(60))


def test_in_strict_order_nothing_passes_a_failing_head(make):
    relay = make.relay()
    answers = {0: [200], 1: [500, 503, 500, 200]}
    app = make.app(lambda received: answers.get(numbers([received])[0], [200]).pop(0)
                   if answers.get(numbers([received])[0]) else 200)
    source, destination = connect(relay, app.url, ordering="destination",
                                  retry_schedule=["0", "50ms", "2s", "50ms", "50ms"])
    events = [post(relay, source, number) for number in range(30)]
    app.wait(3)
    wait_for(lambda: relay.api.deliveries(events[1])[0]["attempt_count"] == 2, "it does not wait for its retry")
    head = relay.api.deliveries(events[1])[0]
    assert head["state"] == "pending" and head["next_at"]
    assert relay.api.deliveries(events[2])[0]["reason"] == "behind_older"
    relay.kill()  # the order is in the store, not in the program
    relay.start()
    for event in events:
        relay.api.wait_delivery(event, "delivered")
    assert numbers(app.received) == [0, 1, 1, 1, 1] + list(range(2, 30))


def test_in_strict_order_a_replay_does_not_pass_a_failing_head(relay, make):
    up = [True]
    app = make.app(lambda received: 200 if up[0] else 500)
    source, destination = connect(relay, app.url, ordering="destination", retry_schedule=["0", "1s", "1s", "1s", "1s"])
    old = post(relay, source, 0)
    relay.api.wait_delivery(old, "delivered")
    up[0] = False
    head = post(relay, source, 1)
    app.wait(2)
    relay.api.post(f"events/{old}/replay")
    behind = post(relay, source, 2)
    wait_for(lambda: relay.api.deliveries(behind)[0]["reason"] == "behind_older", "it does not wait")
    app.wait(3)
    up[0] = True
    for event in (head, behind):
        relay.api.wait_delivery(event, "delivered")
    app.wait(5)
    order = numbers(app.received)
    assert order[:2] == [0, 1] and order[-2:] == [0, 2] and set(order[2:-2]) == {1}, order


def test_the_command_line_sets_and_shows_it(relay, make):
    app = make.app()

    def postern(*args):
        run = subprocess.run([BIN / "postern", *args, "--data-dir", relay.data],
                             capture_output=True, text=True, timeout=30)
        assert run.returncode == 0, run.stderr
        return run.stdout

    postern("destinations", "create", "shop", "--kind", "http", "--url", app.url, "--ordering", "destination",
            "--rate-limit", '{"per_second":10}', "--breaker", '{"failures_in_a_row":5}')
    shown = postern("destinations", "show", "shop")
    assert "per_second: 10" in shown and "ordering: destination" in shown and "failures_in_a_row: 5" in shown
    assert "BREAKER" in postern("destinations", "list") and "closed" in postern("destinations", "list")
    assert "closed" in postern("destinations", "reset-breaker", "shop")
