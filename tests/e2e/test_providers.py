"""Each provider row: a rightly signed request is accepted once, and every wrong one gets its diagnosis."""
import base64
import json
import os
import time
from urllib.parse import urlencode

import pytest

from harness import http, sign

WHSEC = "whsec_" + base64.b64encode(bytes(range(32))).decode()
BODY = b'{"id":"thing_1","type":"thing.made","note":"caf\xc3\xa9"}'
FORM = urlencode({"id": "77", "event": "payment_success", "payload[subscription][id]": "9"}).encode()

# provider, secret, sign(secret, body, **kw), body, names of its headers, whether it signs a timestamp
ROWS = {
    "standard-webhooks": (WHSEC, sign.standard_webhooks, BODY, True),
    "stripe": ("whsec_stripe_secret_0123456789abcdef", sign.stripe, sign.stripe_event(), True),
    "github": ("a github secret of some length", sign.github, BODY, False),
    "shopify": ("shpss_0123456789abcdef0123456789ab", sign.shopify, BODY, False),
    "slack": ("8f742231b10e8888abcd99yyyzzz85a5", sign.slack,
              b'{"type":"event_callback","event_id":"Ev0001","event":{"type":"app_mention"}}', True),
    "chargify": ("chargify site shared key 0123", sign.chargify, FORM, False),
}
ACK = {"chargify": 200}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    from harness.relay import Relay
    relay = Relay(tmp_path_factory.mktemp("providers")).start()
    sources = {name: relay.api.source(name, name, [row[0]]) for name, row in ROWS.items()}
    yield relay, sources
    relay.kill()


def wait_for(condition, timeout=10.0):
    deadline = time.monotonic() + timeout
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return met


def refused(relay, source, headers, body, code):
    answer = relay.post(source, headers, body)
    assert answer.status == 401, answer
    assert answer.json()["code"] == code
    return answer.json()


@pytest.mark.parametrize("name", ROWS)
def test_accepts_a_right_signature_once(shared, name):
    relay, sources = shared
    secret, signer, body, _ = ROWS[name]
    headers = signer(secret, body)
    first = relay.post(sources[name], headers, body)
    assert first.status == ACK.get(name, 202), first
    assert first.json()["duplicate"] is False
    event_id = first.json()["event_id"]
    again = relay.post(sources[name], headers, body)
    assert again.status in (200, ACK.get(name, 200))
    assert again.json() == {"event_id": event_id, "duplicate": True}
    stored = relay.api.get(f"events/{event_id}")
    assert stored["verified"] is True
    assert stored["duplicates"] == 1
    assert relay.api.call("GET", f"events/{event_id}/body").body == body


@pytest.mark.parametrize("name", ROWS)
def test_refuses_what_is_not_signed_right(shared, name):
    relay, sources = shared
    secret, signer, body, stamped = ROWS[name]
    before = len(relay.api.items(f"events?source_id={sources[name]['id']}"))
    good = signer(secret, body)
    signature = next(h for h in good if "signature" in h.lower() or "hmac" in h.lower() or "Signature" in h)
    plain = {k: v for k, v in good.items() if k != signature}
    refused(relay, sources[name], plain, body, "missing_header")
    refused(relay, sources[name], {**good, signature: "!"}, body, "malformed_signature")
    refused(relay, sources[name], good, body + b" ", "no_matching_secret")
    wrong = WHSEC[:-4] + "AAA=" if name == "standard-webhooks" else secret + "x"
    refused(relay, sources[name], signer(wrong, body), body, "no_matching_secret")
    if stamped:
        stale = refused(relay, sources[name], signer(secret, body, at=time.time() - 600), body,
                        "timestamp_out_of_tolerance")
        assert 595 <= abs(stale["skew_seconds"]) <= 605
        refused(relay, sources[name], signer(secret, body, at=time.time() + 600), body, "timestamp_out_of_tolerance")
    assert len(relay.api.items(f"events?source_id={sources[name]['id']}")) == before
    assert wait_for(lambda: any(entry["action"] == "ingest.refused" and entry["object"] == sources[name]["id"]
                                for entry in relay.api.items("audit")))


def test_a_forged_copy_first_poisons_nothing(shared):
    relay, sources = shared
    secret, signer, _, _ = ROWS["stripe"]
    body = sign.stripe_event()
    refused(relay, sources["stripe"], signer(secret + "x", body), body, "no_matching_secret")
    assert relay.post(sources["stripe"], signer(secret, body), body).json()["duplicate"] is False


def test_every_live_secret_is_tried(shared):
    relay, _ = shared
    source = relay.api.source("rotating", "github", ["the old secret, still live", "the new secret, just made"])
    for secret in ("the old secret, still live", "the new secret, just made"):
        assert relay.post(source, sign.github(secret, BODY), BODY).status == 202
    relay.api.ok("PATCH", f"sources/{source['id']}", {"secrets": ["the new secret, just made"]})
    refused(relay, source, sign.github("the old secret, still live", BODY), BODY, "no_matching_secret")


def test_slack_url_verification_answers_only_a_signed_challenge(shared):
    relay, sources = shared
    secret, signer, _, _ = ROWS["slack"]
    body = json.dumps({"type": "url_verification", "token": "t", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY"}).encode()
    before = len(relay.api.items("events"))
    answer = relay.post(sources["slack"], {**signer(secret, body), "Content-Type": "application/json"}, body)
    assert answer.status == 200
    assert b"3eZbrw1aBm2rZgRNFdxV2595E9CY" in answer.body
    refused(relay, sources["slack"], signer("not the secret, not at all", body), body, "no_matching_secret")
    assert len(relay.api.items("events")) == before


def test_generic_hmac_follows_the_scheme_of_the_admin(shared):
    relay, _ = shared
    import hashlib
    import hmac
    source = relay.api.source("custom", "generic-hmac", ["a generic secret of some length"], scheme={
        "header": "X-Signature", "prefix": "sha512=", "encoding": "base64", "digest": "sha512",
        "timestamp": {"header": "X-Timestamp", "format": "seconds", "tolerance_seconds": 60},
        "message": "{timestamp}.{body}", "dedupe": {"header": "X-Id"}, "type": {"pointer": "/kind"}})
    body = b'{"kind":"custom.made"}'

    def headers(at, ident):
        stamp = str(int(at))
        mac = hmac.new(b"a generic secret of some length", stamp.encode() + b"." + body, hashlib.sha512).digest()
        return {"X-Timestamp": stamp, "X-Id": ident, "X-Signature": "sha512=" + base64.b64encode(mac).decode()}

    answer = relay.post(source, headers(time.time(), "one"), body)
    assert answer.status == 202, answer
    assert relay.api.get(f"events/{answer.json()['event_id']}")["type"] == "custom.made"
    assert relay.post(source, headers(time.time(), "one"), body).json()["duplicate"] is True
    assert relay.post(source, headers(time.time(), "two"), body).json()["duplicate"] is False
    refused(relay, source, headers(time.time() - 120, "three"), body, "timestamp_out_of_tolerance")


def test_a_source_without_a_secret_must_say_unsigned(shared):
    relay, _ = shared
    answer = relay.api.call("POST", "sources", {"name": "open", "provider": "github", "secrets": []})
    assert answer.status == 422 or answer.status == 400, answer
    assert b"unsigned" in answer.body
    source = relay.api.source("open", "github", [], unsigned=True)
    answer = relay.post(source, {}, b"anything at all")
    assert answer.status == 202
    assert relay.api.get(f"events/{answer.json()['event_id']}")["verified"] is False


def test_bodies_of_every_byte_value_are_kept(shared):
    relay, sources = shared
    body = bytes(range(256)) * 64 + os.urandom(1000)
    secret = ROWS["github"][0]
    answer = relay.post(sources["github"], sign.github(secret, body), body)
    assert relay.api.call("GET", f"events/{answer.json()['event_id']}/body").body == body
