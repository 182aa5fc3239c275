"""Destinations of kind nats, against a real nats-server with JetStream."""
import json
import time
from datetime import datetime, timezone

import pytest

from harness import http, sign
from harness.nats import NatsServer, Tap
from harness.relay import ApiError

STRIPE = "whsec_stripe_secret_0123456789abcdef"
SHOPIFY = "shpss_0123456789abcdef"
OFTEN = ["0"] + ["100ms"] * 60


@pytest.fixture
def nats(tmp_path):
    server = NatsServer(tmp_path / "nats").start()
    yield server
    server.kill()


def connect(make, url, provider="stripe", secret=STRIPE, **fields):
    relay = make.relay(env={"POSTERN_NATS_URL": url})
    source = relay.api.source("shop", provider, [secret])
    destination = relay.api.post("destinations", {"name": "bus", "kind": "nats", "retry_schedule": OFTEN, **fields})
    relay.api.route(source, destination)
    wait_for_broker(relay, destination, "connected")
    return relay, source, destination


def wait_for_broker(relay, destination, state, timeout=20):
    deadline = time.monotonic() + timeout
    while (now := relay.api.get(f"destinations/{destination['id']}")["status"]["broker"]) != state:
        assert time.monotonic() < deadline, f"the broker is {now}, not {state}"
        time.sleep(0.02)


def post(relay, source, body=None, headers=None):
    body = body or sign.stripe_event("invoice.paid")
    answer = relay.post(source, {**(headers or sign.stripe(STRIPE, body)), "Content-Type": "application/json"}, body)
    assert answer.status == 202, answer
    return answer.json()["event_id"]


def names(attempt):
    return {header["name"]: header["value"] for header in attempt["response_headers"]}


def test_an_event_arrives_in_its_envelope(make, nats):
    client = nats.client()
    client.add_stream()
    relay, source, _ = connect(make, nats.url)
    body = sign.stripe_event("payment_intent.succeeded")
    event_id = post(relay, source, body, {**sign.stripe(STRIPE, body), "X-Correlation-ID": "order-4711"})
    message = client.wait_messages(1)[0]
    delivery = relay.api.wait_delivery(event_id, "delivered")
    assert message.subject == "postern.default.shop.payment_intent.succeeded"
    envelope = message.json()
    stored = relay.api.get(f"events/{event_id}")
    assert envelope == {
        "version": 1, "event_id": event_id, "correlation_id": "order-4711", "dedupe_id": json.loads(body)["id"],
        "delivery_id": delivery["id"], "replay_of": None, "workspace": "default", "source": "shop",
        "provider": "stripe", "type": "payment_intent.succeeded", "domain_type": "payment.succeeded",
        "verified": True, "received_at": stored["received_at"], "occurred_at": envelope["occurred_at"],
        "content_type": "application/json", "payload_encoding": "json", "payload": json.loads(body)}
    assert message.data.endswith(b'"payload":' + body + b"}"), "the body is set in byte for byte"
    assert datetime.fromisoformat(envelope["occurred_at"].replace("Z", "+00:00")).timestamp() == envelope["payload"]["created"]
    assert message.headers["Nats-Msg-Id"] == delivery["id"]
    assert message.headers["Postern-Correlation-Id"] == "order-4711"
    assert message.headers["Postern-Domain-Type"] == "payment.succeeded"
    attempt = delivery["attempts"][0]
    assert names(attempt) == {"Nats-Stream": "EVENTS", "Nats-Sequence": "1"}
    assert attempt["url"] == "nats:" + message.subject


def test_a_retry_after_a_lost_acknowledgement_is_one_message(make, nats):
    client = nats.client()
    client.add_stream()
    tap = Tap(nats.port)
    relay, source, _ = connect(make, tap.url)
    tap.lose_next_ack = True
    event_id = post(relay, source)
    delivery = relay.api.wait_delivery(event_id, "delivered")
    assert [a["outcome"] for a in delivery["attempts"] if a["error_code"] != "nats_away"] == ["maybe_sent", "delivered"]
    assert delivery["attempts"][0]["error_code"] == "nats_connection_lost"
    assert names(delivery["attempts"][-1])["Nats-Duplicate"] == "true"
    assert len(client.messages()) == 1
    tap.close()


def test_a_replay_is_published_again(make, nats):
    client = nats.client()
    client.add_stream()
    relay, source, _ = connect(make, nats.url)
    event_id = post(relay, source)
    first = client.wait_messages(1)[0]
    relay.api.wait_delivery(event_id, "delivered")
    relay.api.post(f"events/{event_id}/replay")
    second = client.wait_messages(2)[1]
    assert second.json()["event_id"] == event_id
    assert second.json()["replay_of"] == first.json()["delivery_id"]
    assert second.headers["Nats-Msg-Id"] != first.headers["Nats-Msg-Id"]


def test_without_a_stream_the_attempt_says_what_to_do(make, nats):
    relay, source, _ = connect(make, nats.url, retry_schedule=["0"])
    delivery = relay.api.wait_delivery(post(relay, source), "dead")
    attempt = delivery["attempts"][0]
    assert (attempt["outcome"], attempt["error_code"]) == ("rejected", "no_stream")
    assert "Create one" in attempt["error_message"] and "postern.default.shop.invoice.paid" in attempt["error_message"]
    nats.client().add_stream()
    relay.api.post(f"deliveries/{delivery['id']}/retry")
    relay.api.wait_delivery(delivery["event_id"], "delivered")


def test_a_server_killed_and_wiped_loses_nothing_that_was_not_acknowledged(make, nats):
    nats.client().add_stream()
    relay, source, destination = connect(make, nats.url)
    before = [post(relay, source) for _ in range(60)]
    nats.kill()
    killed_at = datetime.now(timezone.utc)
    during = [post(relay, source) for _ in range(40)]
    wait_for_broker(relay, destination, "away")
    assert http.send("GET", relay.admin + "/health/ready").status == 200, "deliveries wait; the relay is well"
    assert "postern_nats_connected 0" in http.send("GET", relay.admin + "/metrics").body.decode()
    nats.wipe()
    nats.start()
    client = nats.client()
    client.add_stream()
    after = [post(relay, source) for _ in range(20)]
    delivered = {e: relay.api.wait_delivery(e, "delivered", timeout=90) for e in before + during + after}
    there = {m.json()["event_id"] for m in client.messages()}
    assert set(during + after) <= there
    forgotten = [e for e in before if e not in there]
    for event_id in forgotten:
        last = delivered[event_id]["attempts"][-1]
        began = datetime.fromisoformat(last["started_at"].replace("Z", "+00:00"))
        assert began < killed_at and names(last)["Nats-Stream"] == "EVENTS", "acknowledged by the server that was wiped"
    for event_id in forgotten:
        relay.api.post(f"events/{event_id}/replay")
    client.wait_messages(len(there) + len(forgotten))
    assert {m.json()["event_id"] for m in client.messages()} == set(before + during + after)


def test_nothing_that_waits_burns_the_schedule(make, nats):
    nats.client().add_stream()
    relay, source, destination = connect(make, nats.url, retry_schedule=["0"])
    nats.kill()
    wait_for_broker(relay, destination, "away")
    event_id = post(relay, source)
    nats.start()
    delivery = relay.api.wait_delivery(event_id, "delivered", timeout=60)
    assert delivery["attempt_count"] == 1
    assert all(not a["counted"] for a in delivery["attempts"][:-1])
    assert len(delivery["attempts"]) < 20, "calm while it waits"


def test_compliance_topics_are_kept_and_not_published(make, nats):
    client = nats.client()
    client.add_stream()
    relay, source, _ = connect(make, nats.url, provider="shopify", secret=SHOPIFY,
                               subject="postern.{workspace}.evt.{domain}")
    for topic in ("customers/data_request", "customers/redact", "shop/redact"):
        body = json.dumps({"shop_domain": "a.myshopify.com", "topic": topic}).encode()
        event_id = post(relay, source, body, sign.shopify(SHOPIFY, body, topic=topic))
        deadline = time.monotonic() + 20
        while (delivery := relay.api.deliveries(event_id)[0])["state"] != "cancelled":
            assert time.monotonic() < deadline, delivery
            time.sleep(0.02)
        assert delivery["reason"] == "compliance_topic_not_published"
        assert http.send("GET", f"{relay.admin}/api/v1/events/{event_id}/body",
                         {"Authorization": f"Bearer {relay.key}"}).body == body
    body = b'{"id":1}'
    post(relay, source, body, sign.shopify(SHOPIFY, body, topic="orders/create"))
    message = client.wait_messages(1)[0]
    assert message.subject == "postern.default.evt.order.created"
    assert len(client.messages()) == 1


def test_a_message_larger_than_the_server_takes_is_final(make, nats):
    nats.client().add_stream()
    relay, source, _ = connect(make, nats.url)
    body = sign.stripe_event("invoice.paid", note="x" * 1_200_000)
    delivery = relay.api.wait_delivery(post(relay, source, body), "dead")
    assert delivery["reason"] == "nats_too_large" and delivery["attempt_count"] == 1
    assert "1048576" in delivery["attempts"][0]["error_message"]
    relay.api.wait_delivery(post(relay, source), "delivered")


def test_without_nats_in_the_settings_there_is_no_such_destination(relay):
    with pytest.raises(ApiError) as refused:
        relay.api.post("destinations", {"name": "bus", "kind": "nats"})
    assert refused.value.answer.status == 422 and b"nats.url" in refused.value.answer.body


def test_a_relay_starts_and_ends_while_nats_is_away(make, nats):
    nats.kill()
    relay = make.relay(env={"POSTERN_NATS_URL": nats.url})
    destination = relay.api.post("destinations", {"name": "bus", "kind": "nats"})
    assert destination["status"]["broker"] == "away"
    nats.start()
    wait_for_broker(relay, destination, "connected")
    assert relay.stop() == 0


def test_a_subject_without_a_stream_holds_up_no_other(make, nats):
    client = nats.client()
    client.add_stream("PAID", ["postern.default.shop.invoice.paid"])
    relay, source, destination = connect(make, nats.url, concurrency=1, retry_schedule=["0", "1h"],
                                         breaker={"failures_in_a_row": 3, "open_first": "10m", "open_most": "10m"})

    def status():
        return relay.api.get(f"destinations/{destination['id']}")["status"]

    for _ in range(3):
        event = post(relay, source, sign.stripe_event("charge.failed"))
        assert relay.api.wait_delivery(event, "pending")["reason"] in ("no_stream", "")
    deadline = time.monotonic() + 20
    while not status()["subjects"]:
        assert time.monotonic() < deadline, relay.log()
        time.sleep(0.02)
    [down] = status()["subjects"]
    assert (down["subject"], down["breaker"]["state"]) == ("postern.default.shop.charge.failed", "open")
    assert status()["breaker"]["state"] == "closed"
    held = [post(relay, source, sign.stripe_event("charge.failed")) for _ in range(5)]
    good = [post(relay, source) for _ in range(20)]
    for event in good:
        relay.api.wait_delivery(event, "delivered")
    deadline = time.monotonic() + 20
    while {relay.api.deliveries(event)[0]["reason"] for event in held} != {"subject_down"}:
        assert time.monotonic() < deadline, [relay.api.deliveries(event) for event in held]
        time.sleep(0.02)
    for event in held:
        delivery = relay.api.wait_delivery(event, "pending")
        assert (delivery["attempt_count"], delivery["attempts"]) == (0, [])
    client.add_stream("FAILED", ["postern.default.shop.charge.>"])
    relay.api.post(f"destinations/{destination['id']}/breaker/reset")
    for event in held:
        relay.api.post(f"deliveries/{relay.api.deliveries(event)[0]['id']}/retry")
        relay.api.wait_delivery(event, "delivered")
    assert status()["subjects"] == []
