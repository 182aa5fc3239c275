"""The tour behind scripts/demo: the real programs, with a private app and a stand-in for Slack."""
import argparse
import base64
import json
import signal
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import sign  # noqa: E402
from harness.app import App  # noqa: E402
from harness.relay import Agent, Relay  # noqa: E402

STRIPE = "whsec_demo_stripe_signing_secret_0001"
GITHUB = "the github secret of the demo"
STANDARD = "whsec_" + base64.b64encode(b"thirty-two bytes for the demo!!!").decode()


class Tour:
    def __init__(self):
        self.failed = []

    def step(self, text):
        print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)

    def say(self, text):
        print(f"   {text}", flush=True)

    def check(self, ok, text):
        self.say(("ok    " if ok else "FAIL  ") + text)
        if not ok:
            self.failed.append(text)


def start(tour, directory):
    tour.step("1. A relay on an empty data directory (SQLite, TLS tunnel, admin API)")
    slack = App(lambda received: (200, {}, b"ok"))
    relay = Relay(directory, env={"POSTERN_SLACK_BASE_URL": slack.url}).start()
    tour.say(f"postern serve: ingest {relay.ingest}  tunnel {relay.tunnel}  admin {relay.admin}")

    tour.step("2. A private app, and an agent beside it that dials out to the relay")
    app = App()
    tour.say(f"the app listens on {app.address}; nothing dials it but its agent")
    agent = Agent(directory / "agent", relay, "cellar", [app.address]).join()
    tour.say(f"enrolled over REST and joined: {agent.id}, allowed to reach {app.address} only")
    return relay, slack, app, agent


def connect(tour, relay, app, agent):
    tour.step("3. Sources, destinations and routes over REST")
    sources = {
        "stripe": relay.api.source("stripe", "stripe", [STRIPE]),
        "github": relay.api.source("github", "github", [GITHUB]),
        "standard": relay.api.source("standard", "standard-webhooks", [STANDARD]),
    }
    private = relay.api.destination("private-app", "agent", f"{app.url}/webhooks", agent_id=agent.id)
    message = relay.api.destination("team", "slack", "https://hooks.slack.com/services/T0/B0/demo")
    for source in sources.values():
        relay.api.route(source, private)
    relay.api.route(sources["stripe"], message)
    for name, source in sources.items():
        tour.say(f"{name:9} {source['ingest_url']}")
    return sources, private


def send(tour, relay, sources):
    tour.step("4. Signed webhooks, and a forged one")
    payment = sign.stripe_event("invoice.paid")
    push = json.dumps({"ref": "refs/heads/main", "repository": {"full_name": "ada/engine"}}).encode()
    user = b'{"type":"user.created","data":{"name":"Ada"}}'
    sent = {
        "stripe": (payment, sign.stripe(STRIPE, payment)),
        "github": (push, sign.github(GITHUB, push)),
        "standard": (user, sign.standard_webhooks(STANDARD, user)),
    }
    events = {}
    for name, (body, headers) in sent.items():
        answer = relay.post(sources[name], {"Content-Type": "application/json", **headers}, body)
        tour.check(answer.status == 202, f"{name:9} answered {answer.status} after the commit: {answer.body.decode()}")
        events[name] = (answer.json().get("event_id"), body)
    body, headers = sent["stripe"]
    again = relay.post(sources["stripe"], headers, body)
    tour.check(again.json().get("duplicate") is True, f"stripe    sent again: {again.status} {again.body.decode()}")
    forged = relay.post(sources["stripe"], sign.stripe("not the secret", payment), payment)
    tour.check(forged.status == 401, f"forged    answered {forged.status}: {forged.body.decode()}")
    return events


def follow(tour, relay, app, slack, private, events):
    tour.step("5. Through the tunnel into the private app, and into Slack")
    arrived = {r.headers["postern-event-id"]: r for r in app.wait(len(events))}
    for name, (event_id, body) in events.items():
        got = arrived.get(event_id)
        same = got is not None and got.body == body
        tour.check(same, f"{name:9} {event_id} reached the app, byte for byte")
        signed = same and sign.verify_standard_webhooks(private["signing_secret"], got.headers, body)
        tour.check(signed, f"{name:9} re-signed for the app (Standard Webhooks)")
        delivery = relay.api.wait_delivery(event_id, "delivered")
        attempt = delivery["attempts"][-1]
        tour.say(f"          delivery {delivery['id']} delivered, attempt 1 answered {attempt['response_status']}")
    message = json.loads(slack.wait()[0].body)
    tour.check(events["stripe"][0] in json.dumps(message), f"slack     {message['text']}")
    tour.check(len(app.received) == len(events), "the forged and the repeated webhook did not reach the app")


def play(tour, relay, app, agent):
    tour.step("6. It stays up; Ctrl-C ends it")
    tour.say(f"admin API    {relay.admin}/api/v1/  (key in {relay.data}/admin.key)")
    tour.say(f"metrics      {relay.admin}/metrics")
    tour.say(f"logs         {relay.directory}/relay.log, {agent.directory}/agent.log")
    tour.say(f"try          build/release/bin/postern events list --data-dir {relay.data}")
    tour.say(f"             build/release/bin/postern events tail --data-dir {relay.data}")
    tour.say(f"             build/release/bin/postern events replay EVENT --data-dir {relay.data}")
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    shown = len(app.received)
    while not done.wait(0.2):
        for received in app.received[shown:]:
            shown += 1
            tour.say(f"app received {received.method} {received.target} {len(received.body)} bytes "
                     f"event {received.headers.get('postern-event-id')}")


def main():
    parser = argparse.ArgumentParser(prog="scripts/demo")
    parser.add_argument("--once", action="store_true", help="check every arrival, stop, and exit 0 or 1")
    parser.add_argument("--dir", help="keep everything in DIR instead of a temporary directory")
    options = parser.parse_args()
    directory = Path(options.dir or tempfile.mkdtemp(prefix="postern-demo-"))
    tour = Tour()
    relay, slack, app, agent = start(tour, directory)
    try:
        sources, private = connect(tour, relay, app, agent)
        events = send(tour, relay, sources)
        follow(tour, relay, app, slack, private, events)
        if not options.once:
            play(tour, relay, app, agent)
    finally:
        stopped = [agent.stop(), relay.stop()]
        app.close()
        slack.close()
    tour.check(stopped == [0, 0], "both programs ended cleanly")
    if tour.failed:
        print(f"\n{len(tour.failed)} checks failed; logs are in {directory}", file=sys.stderr)
    return 1 if tour.failed else 0


if __name__ == "__main__":
    sys.exit(main())
