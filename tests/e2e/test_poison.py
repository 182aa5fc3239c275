"""A payload that kills the process that delivers it is found, and hurts no other for long."""
import http.client
import time

from harness import sign
from harness.process import BIN, Exited

SECRET = "a github secret of some length"
POISON = b'{"text":"this payload kills the worker"}'


def find(relay, body):
    for event in relay.api.items("events"):
        if relay.api.call("GET", f"events/{event['id']}/body").body == body:
            return event["id"]
    return None


def test_a_payload_that_kills_the_worker_is_dead_after_five_claims(make, engine):
    binary = BIN / "postern-crash-on-payload"
    assert binary.exists(), "build it: cmake --build --preset release --target postern-crash-on-payload"
    relay = make.relay(binary=binary)
    app = make.app()
    source = relay.api.source("hooks", "github", [SECRET])
    relay.api.route(source, relay.api.destination("app", "http", app.url))
    for n in range(40):
        relay.post(source, sign.github(SECRET, b'{"n":%d}' % n), b'{"n":%d}' % n)
    try:
        relay.post(source, sign.github(SECRET, POISON), POISON)
    except (OSError, http.client.HTTPException):
        pass  # it may die before it answers; the event is committed all the same
    deaths, event_id = 0, None
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            if not relay.process.alive():
                deaths += 1
                relay.process.kill()
                relay.start()
                # Somebody watches it and starts it again, and senders go on.
                relay.post(source, sign.github(SECRET, b'{"after":%d}' % deaths), b'{"after":%d}' % deaths)
            event_id = event_id or find(relay, POISON)
            if event_id and relay.api.deliveries(event_id)[0]["state"] == "dead":
                break
        except (OSError, http.client.HTTPException, Exited):
            continue
        time.sleep(0.05)
    delivery = relay.api.deliveries(event_id)[0]
    assert (delivery["state"], delivery["reason"]) == ("dead", "worker_crashed")
    assert deaths == 5
    for n in range(40):
        app.wait(1, where=lambda r, n=n: r.body == b'{"n":%d}' % n)
    assert relay.process.alive()
    assert not app.wait(0, where=lambda r: r.body == POISON)
