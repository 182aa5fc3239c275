"""The REST API and its OpenAPI document agree: every operation is called, and every answer fits its schema."""
import re

import jsonschema
import pytest
import yaml

from harness import http, sign
from harness.app import closed_port
from harness.process import ROOT

SECRET = "a github secret of some length"
METHODS = ("get", "post", "patch", "put", "delete")


class Document:
    def __init__(self, text):
        self.root = yaml.safe_load(text)
        self.operations = {}
        for path, item in self.root["paths"].items():
            pattern = re.compile("^" + re.sub(r"\{[^}]+\}", "[^/]+", path) + "$")
            for method in METHODS:
                if method in item:
                    self.operations[(method.upper(), path)] = (pattern, item[method])
        self.seen = set()

    def find(self, method, path):
        for (verb, template), (pattern, operation) in self.operations.items():
            if verb == method and pattern.match(path):
                return template, operation
        raise AssertionError(f"{method} {path} is not in the document")

    def resolve(self, node):
        while "$ref" in node:
            target = self.root
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def check(self, method, path, answer):
        template, operation = self.find(method, path.split("?")[0])
        responses = operation["responses"]
        described = responses.get(str(answer.status)) or responses.get(f"{answer.status // 100}XX") or responses.get("default")
        assert described, f"{method} {template} answered {answer.status}, which the document does not list"
        if answer.status < 300:
            self.seen.add((method, template))
        content = self.resolve(described).get("content", {})
        kind = (answer.headers["Content-Type"] or "").split(";")[0]
        if "json" not in kind:
            return
        assert kind in content, f"{method} {template} {answer.status}: {kind} is not in {list(content)}"
        schema = {"$ref": "#/schema", "schema": content[kind]["schema"], "components": self.root["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer.json())


@pytest.fixture
def checked(relay):
    served = http.send("GET", relay.admin + "/api/v1/openapi.yaml", {"Authorization": f"Bearer {relay.key}"})
    assert served.status == 200
    assert served.body.decode() == (ROOT / "control/api/openapi.yaml").read_text()
    document = Document(served.body)
    plain = relay.api.call

    def call(method, path, body=None, **kw):
        answer = plain(method, path, body, **kw)
        document.check(method, f"/api/v1/{path}", answer)
        return answer

    relay.api.call = call
    return relay, document


def walk_through(relay, make):
    api = relay.api
    app = make.app()
    source = api.source("walked", "github", [SECRET])
    destination = api.destination("walked", "http", app.url)
    route = api.route(source, destination)
    agent = api.post("agents", {"name": "walked"})
    api.post(f"agents/{agent['id']}/enrollment")
    for kind, thing, change in (("sources", source, {"enabled": True}), ("destinations", destination, {"concurrency": 8}),
                                ("routes", route, {"enabled": True}), ("agents", agent, {"name": "renamed"})):
        assert any(item["id"] == thing["id"] for item in api.items(kind))
        api.get(f"{kind}/{thing['id']}")
        api.ok("PATCH", f"{kind}/{thing['id']}", change)
    api.get(f"sources/{source['id']}/activity")
    assert api.get("workspace")["rate_limit"] is None
    api.ok("PATCH", "workspace", {"rate_limit": {"per_second": 900, "burst": 1000}})
    event_id = relay.post(source, sign.github(SECRET, b"{}"), b"{}").json()["event_id"]
    delivery = api.wait_delivery(event_id, "delivered")
    for path in ("events", f"events/{event_id}", f"events/{event_id}/body", f"events?source_id={source['id']}&limit=1",
                 "deliveries?state=delivered", f"deliveries?destination_id={destination['id']}", "audit"):
        assert api.call("GET", path).status == 200
    api.post(f"events/{event_id}/replay")
    app.wait(2)
    api.ok("PATCH", f"routes/{route['id']}", {"filter": ".body", "transform": "[.body]"})
    made = api.post(f"events/{event_id}/replay", {"configuration": "current"})["delivery_ids"]
    assert api.get(f"deliveries/{made[0]}")["payload"]["body"] == "[{}]"
    for trial in ({"event_id": event_id, "transform": "."}, {"sample": {"body": 1}, "filter": "false"}, {"filter": "error(1)"}):
        api.post("routes/test", trial)
    app.wait(3)
    down = api.destination("down", "http", f"http://127.0.0.1:{closed_port()}/", retry_schedule=["0"])
    api.route(source, down)
    dead = api.wait_delivery(relay.post(source, sign.github(SECRET, b"[]"), b"[]").json()["event_id"], "dead")
    api.post(f"deliveries/{dead['id']}/retry")
    api.post(f"destinations/{down['id']}/breaker/reset")
    assert api.call("POST", f"deliveries/{delivery['id']}/retry").status == 409
    assert api.call("GET", "deliveries/summary").json()["items"]
    assert api.post("replays", {"dry_run": True})["matching"] >= 0
    replay = api.post("replays", {"state": "delivered", "rate": 1})
    api.get(f"replays/{replay['id']}")
    assert any(item["id"] == replay["id"] for item in api.items("replays"))
    api.post(f"replays/{replay['id']}/cancel")
    assert api.get("workspace/retention")["bodies"] == "30d"
    assert api.ok("PATCH", "workspace/retention", {"bodies": "7d"})["own"]["bodies"] == "7d"
    api.post(f"agents/{make.agent(relay, 'joined').id}/rotate")
    api.post(f"agents/{agent['id']}/clear-copy")
    api.post(f"agents/{agent['id']}/revoke")
    for kind, thing in (("routes", route), ("destinations", destination), ("sources", source), ("agents", agent)):
        assert api.call("DELETE", f"{kind}/{thing['id']}").status == 204


def test_every_operation_answers_as_documented(checked, make):
    relay, document = checked
    walk_through(relay, make)
    api_operations = {key for key in document.operations if key[1].startswith("/api/v1/")}
    api_operations -= {("GET", "/api/v1/openapi.yaml")}
    assert api_operations - document.seen == set()


def test_refusals_are_problem_documents(checked):
    relay, _ = checked
    api = relay.api
    assert api.call("GET", "sources/src_nonsense").status in (400, 404)
    assert api.call("GET", "events/evt_" + "0" * 26).status == 404
    wrong = api.call("POST", "sources", {"name": "x", "provider": "githbu", "secrets": ["s" * 20]})
    assert wrong.status == 422 and "github" in wrong.body.decode()
    extra = api.call("POST", "sources", {"name": "x", "provider": "github", "secrets": ["s" * 20], "secert": 1})
    assert extra.status == 422 and "secert" in extra.body.decode()
    api.source("taken", "github", [SECRET])
    assert api.call("POST", "sources", {"name": "taken", "provider": "github", "secrets": [SECRET]}).status == 409


def test_a_create_repeated_with_its_key_answers_alike(checked):
    relay, _ = checked
    body = {"name": "once", "kind": "http", "url": "https://example.com/"}
    first = relay.api.call("POST", "destinations", body, headers={"Idempotency-Key": "k-1"})
    again = relay.api.call("POST", "destinations", body, headers={"Idempotency-Key": "k-1"})
    assert first.status == again.status == 201 and first.json() == again.json()
    other = relay.api.call("POST", "destinations", {**body, "name": "two"}, headers={"Idempotency-Key": "k-1"})
    assert other.status == 422


def test_a_nats_destination_is_as_documented(make):
    relay = make.relay(env={"POSTERN_NATS_URL": f"nats://127.0.0.1:{closed_port()}"})
    document = Document((ROOT / "control/api/openapi.yaml").read_text())

    def ask(method, path, body=None):
        answer = relay.api.call(method, path, body)
        document.check(method, f"/api/v1/{path}", answer)
        return answer

    made = ask("POST", "destinations", {"name": "bus", "kind": "nats", "subject": "postern.{workspace}.{domain}",
                                        "event_map": {"stripe:invoice.paid": "billing.paid", "github:push": None}})
    assert made.status == 201 and made.json()["status"]["broker"] == "away"
    path = f"destinations/{made.json()['id']}"
    assert ask("PATCH", path, {"event_map": {}}).json()["event_map"] == {}
    assert ask("PATCH", path, {"subject": "elsewhere.{type}"}).status == 422
    assert ask("GET", path).json()["subject"] == "postern.{workspace}.{domain}"


def test_pages_follow_their_cursor(checked):
    relay, _ = checked
    for number in range(7):
        relay.api.source(f"s{number}", "github", [SECRET])
    first = relay.api.get("sources?limit=3")
    assert len(first["items"]) == 3 and first["next_cursor"]
    assert {s["name"] for s in relay.api.items("sources?limit=3")} == {f"s{n}" for n in range(7)}
