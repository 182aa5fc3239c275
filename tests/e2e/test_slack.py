"""Messages to Slack, against a stand-in for its incoming webhooks."""
import json

import pytest

from harness import sign

STRIPE = "whsec_stripe_secret_0123456789abcdef"
HOOK = "https://hooks.slack.com/services/T000/B000/XXXXXXXXXXXX"


def connect(make, respond=lambda received: (200, {}, b"ok"), **fields):
    slack = make.app(respond)
    relay = make.relay(env={"POSTERN_SLACK_BASE_URL": slack.url})
    source = relay.api.source("stripe", "stripe", [STRIPE])
    destination = relay.api.destination("slack", "slack", HOOK, **fields)
    relay.api.route(source, destination)
    return relay, source, slack


def post(relay, source, body):
    answer = relay.post(source, sign.stripe(STRIPE, body), body)
    assert answer.status == 202, answer
    return answer.json()["event_id"]


def test_a_payment_becomes_a_clean_message(make):
    relay, source, slack = connect(make)
    event_id = post(relay, source, sign.stripe_event("invoice.paid"))
    got = slack.wait()[0]
    assert got.target == "/services/T000/B000/XXXXXXXXXXXX"
    message = json.loads(got.body)
    assert message["text"] and message["blocks"]
    flat = json.dumps(message, ensure_ascii=False)
    assert "invoice.paid" in flat and "42.00" in flat and "EUR" in flat and event_id in flat
    relay.api.wait_delivery(event_id, "delivered")


def test_mentions_in_customer_text_are_harmless(make):
    relay, source, slack = connect(make)
    hostile = {"object": {"id": "in_1", "amount_paid": 100, "currency": "usd",
                          "customer_email": "<!channel> <@U123> & <https://evil.example|click>"}}
    post(relay, source, sign.stripe_event("invoice.paid", data=hostile))
    body = slack.wait()[0].body.decode()
    assert "<!channel>" not in body and "<@U123>" not in body and "<https://evil" not in body


def test_one_message_a_second_and_429_honoured(make):
    answers = [(429, {"Retry-After": "1"}, b"rate_limited")]
    relay, source, slack = connect(make, lambda received: answers.pop() if answers else (200, {}, b"ok"))
    events = [post(relay, source, sign.stripe_event()) for _ in range(3)]
    for event_id in events:
        relay.api.wait_delivery(event_id, "delivered", timeout=40)
    times = sorted(r.at for r in slack.received)
    assert all(b - a >= 0.95 for a, b in zip(times, times[1:]))


def test_permanent_errors_are_final(make):
    relay, source, slack = connect(make, lambda received: (404, {}, b"no_service"))
    delivery = relay.api.wait_delivery(post(relay, source, sign.stripe_event()), "dead")
    assert delivery["attempt_count"] == 1
    assert len(slack.received) == 1


def test_the_hook_url_is_a_secret(make):
    relay, _, _ = connect(make)
    assert "XXXXXXXXXXXX" not in json.dumps(relay.api.items("destinations"))
    for file in relay.data.rglob("*"):
        if file.is_file():
            assert b"XXXXXXXXXXXX" not in file.read_bytes(), file
    assert "XXXXXXXXXXXX" not in relay.log()
