"""Signs request bodies the way each provider documents it."""
import base64
import hashlib
import hmac
import json
import time
import uuid


def _mac(secret, message, algorithm=hashlib.sha256):
    key = secret.encode() if isinstance(secret, str) else secret
    return hmac.new(key, message, algorithm)


def stripe(secret, body, at=None):
    stamp = str(int(at if at is not None else time.time()))
    return {"Stripe-Signature": f"t={stamp},v1={_mac(secret, stamp.encode() + b'.' + body).hexdigest()}"}


def github(secret, body, delivery=None, event="push"):
    return {
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery or str(uuid.uuid4()),
        "X-Hub-Signature-256": "sha256=" + _mac(secret, body).hexdigest(),
    }


def shopify(secret, body, webhook_id=None, topic="orders/create"):
    return {
        "X-Shopify-Topic": topic,
        "X-Shopify-Webhook-Id": webhook_id or str(uuid.uuid4()),
        "X-Shopify-Hmac-Sha256": base64.b64encode(_mac(secret, body).digest()).decode(),
    }


def slack(secret, body, at=None):
    stamp = str(int(at if at is not None else time.time()))
    mac = _mac(secret, b"v0:" + stamp.encode() + b":" + body).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": "v0=" + mac}


def chargify(secret, body, webhook_id=None):
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Chargify-Webhook-Id": webhook_id or str(uuid.uuid4()),
        "X-Chargify-Webhook-Signature-Hmac-Sha-256": _mac(secret, body).hexdigest(),
    }


def standard_webhooks(secret, body, message_id=None, at=None):
    message_id = message_id or "msg_" + uuid.uuid4().hex
    stamp = str(int(at if at is not None else time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = _mac(key, f"{message_id}.{stamp}.".encode() + body).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }


def verify_standard_webhooks(secret, headers, body):
    """True when the headers of a delivery carry a valid Standard Webhooks signature of body."""
    wanted = standard_webhooks(secret, body, headers["webhook-id"], int(headers["webhook-timestamp"]))
    return wanted["webhook-signature"] in headers["webhook-signature"].split(" ")


def stripe_event(kind="invoice.paid", **fields):
    body = {
        "id": "evt_" + uuid.uuid4().hex,
        "object": "event",
        "type": kind,
        "created": int(time.time()),
        "data": {"object": {"id": "in_" + uuid.uuid4().hex, "amount_paid": 4200, "currency": "eur",
                            "customer_email": "ada@example.com"}},
    }
    body.update(fields)
    return json.dumps(body).encode()
