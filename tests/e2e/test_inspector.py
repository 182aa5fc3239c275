"""The agent's inspector: the page of its own host that shows deliveries and sends them again."""
import os
import socket
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness import browser, http, sign
from harness.process import BIN
from harness.wait import eventually
from test_agent import SECRET, connect, post

pytestmark = pytest.mark.engine("sqlite")
HOSTILE = '<script>window.taken=1</script><img src=x onerror="window.taken=1">'


class Inspector:
    def __init__(self, url):
        self.url = url
        self.base, _, self.token = url.partition("/#token=")

    def call(self, method, path, headers=None, timeout=30):
        return http.send(method, self.base + path, {"Authorization": f"Bearer {self.token}", **(headers or {})}, b"", timeout)

    def get(self, path=""):
        answer = self.call("GET", f"/api/deliveries{path}")
        assert answer.status == 200, answer
        return answer.json()

    def resend(self, number):
        return self.call("POST", f"/api/deliveries/{number}/resend")

    def ended(self, count):
        """The last deliveries, once `count` have ended."""
        return eventually(lambda: (seen := [d for d in self.get()["deliveries"] if d["state"] != "running"])
                          and len(seen) >= count and seen)


def listens(inspector):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", urlsplit(inspector.base).port)) == 0


def inspect(agent):
    return Inspector(eventually(lambda: agent.status()["inspector"]))


@pytest.fixture
def scene(relay, make):
    class Scene:
        app = make.app(lambda received: self.respond(received))
        respond = staticmethod(lambda received: (418, {"X-App": "teapot"}, b'{"short":true}'))

    self = Scene
    Scene.agent = make.agent(relay, allow=[Scene.app.address])
    Scene.agent.stop()
    Scene.agent.run("--inspect", "127.0.0.1:0")
    Scene.source = connect(relay, Scene.agent, Scene.app.address, retry_schedule=["0", "1h"])
    Scene.relay = relay
    Scene.inspector = inspect(Scene.agent)
    Scene.post = staticmethod(lambda body: post(relay, Scene.source, body))
    return Scene


def test_a_delivery_is_shown_and_sent_again_and_the_relay_never_hears_of_it(scene):
    body = b'{"n":12345678901234567890}'
    event_id = scene.post(body)
    shown = scene.inspector.get(f"/{scene.inspector.ended(1)[0]['number']}")
    received = scene.app.wait()[0]
    mine = [h for h in received.header_list if h[0].lower() not in ("host", "content-length")]
    assert [tuple(h) for h in shown["request"]["headers"]] == mine
    assert shown["request"]["body"]["text"].encode() == body and shown["request"]["target"] == received.target
    assert shown["status"] == 418 and shown["response"]["body"]["text"] == '{"short":true}'
    assert ["X-App", "teapot"] in shown["response"]["headers"] and shown["timings"]["total_ms"] > 0
    before = scene.relay.api.wait_delivery(event_id, "pending")
    scene.respond = lambda received: 200
    again = scene.inspector.resend(shown["number"]).json()
    assert again["status"] == 200 and again["resend_of"] == shown["number"]
    second = scene.app.wait(2)[1]
    assert second.body == body and second.headers["postern-delivery-id"] == received.headers["postern-delivery-id"]
    assert second.headers["postern-resend"] == "1" and "postern-resend" not in received.headers
    assert scene.relay.api.delivery(before["id"]) == before
    assert scene.inspector.get(f"/{shown['number']}")["resends"] == [again["number"]]
    scene.agent.stop()
    assert scene.agent.status()["deliveries"]["answered"] == 1


def test_it_is_off_unless_asked_for(relay, make):
    app = make.app()
    agent = make.agent(relay, allow=[app.address])
    assert agent.status()["inspector"] is None
    # Its sockets: connections to the relay only, and no listener.
    inodes = {f"socket:[{line.split()[9]}]" for family in ("tcp", "tcp6")
              for line in open(f"/proc/{agent.process.pid}/net/{family}").readlines()[1:] if line.split()[3] == "0A"}
    held = {os.readlink(fd) for fd in Path(f"/proc/{agent.process.pid}/fd").iterdir()}
    assert inodes and not held & inodes


def test_who_may_not_look(scene):
    inspector, port = scene.inspector, urlsplit(scene.inspector.base).port
    path = "/api/deliveries"
    assert inspector.call("GET", path).status == 200
    assert http.send("GET", inspector.base + path).status == 401
    assert inspector.call("GET", path, {"Host": f"rebound.example:{port}"}).status == 421
    assert inspector.call("GET", "/", {"Host": f"rebound.example:{port}"}).status == 421
    assert inspector.call("POST", path + "/1/resend", {"Origin": "https://evil.example"}).status == 403
    preflight = inspector.call("OPTIONS", path, {"Access-Control-Request-Headers": "authorization"})
    assert preflight.status == 405 and not [n for n in preflight.headers if n.lower().startswith("access-control")]
    assert inspector.token not in scene.agent.log()


def test_it_comes_and_goes_with_the_file_and_drops_nothing(relay, make):
    app = make.app()
    agent = make.agent(relay, allow=[app.address])
    source = connect(relay, agent, app.address)
    agent.configure('inspect = "127.0.0.1:0"\n')
    inspector = inspect(agent)
    relay.api.wait_delivery(post(relay, source, b"{}"), "delivered")
    assert len(inspector.ended(1)) == 1
    agent.configure('inspect = "0.0.0.0:4040"\n')
    assert eventually(lambda: agent.status()["config"]["error"])
    assert "agent.toml:1" in agent.status()["config"]["error"]["message"]
    assert inspector.get()["deliveries"]  # a mistake changes nothing
    agent.configure("concurrency = 3\n")
    assert eventually(lambda: agent.status()["inspector"] is None)
    assert eventually(lambda: not listens(inspector))
    relay.api.wait_delivery(post(relay, source, b"{}"), "delivered")
    agent.configure('inspect = "[::1]:0"\n')
    assert inspect(agent).get()["deliveries"] == [] and inspect(agent).token != inspector.token
    assert agent.status()["sessions"] == 2  # the two it began with


def test_a_port_that_is_taken_costs_no_delivery(relay, make):
    app = make.app()
    agent = make.agent(relay, allow=[app.address])
    source = connect(relay, agent, app.address)
    agent.stop()
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = "127.0.0.1:%d" % other.getsockname()[1]
        agent.run(f"--inspect={address}")
        relay.api.wait_delivery(post(relay, source, b"{}"), "delivered")
        assert agent.status()["inspector"] is None and address in agent.log()
    assert inspect(agent).base == f"http://{address}"


def test_an_address_that_others_reach_is_refused(relay, make, tmp_path):
    argv = [BIN / "postern-agent", "run", "--state-dir", tmp_path, "--inspect", "0.0.0.0:4040"]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 2 and "not a loopback address" in done.stderr and "ssh -L" in done.stderr


def test_a_resend_meets_the_allow_list_of_now(scene):
    scene.post(b"{}")
    number = scene.inspector.ended(1)[0]["number"]
    before = scene.agent.status()["config"]["loaded_at"]
    scene.agent.configure('allow = ["nobody.example:1"]\n')
    assert eventually(lambda: scene.agent.status()["config"]["loaded_at"] != before)
    again = scene.inspector.resend(number).json()
    assert again["state"] == "not_sent" and again["error"]["code"] == "not_allowed"
    assert len(scene.app.received) == 1


def test_the_agent_ends_while_somebody_watches(scene):
    waiting = threading.Thread(target=lambda: pytest.raises(Exception, scene.inspector.call, "GET",
                                                            "/api/deliveries?after=1000&wait=30"))
    waiting.start()
    time.sleep(0.1)
    began = time.monotonic()
    assert scene.agent.stop() == 0
    assert time.monotonic() - began < 5
    waiting.join(5)
    assert not waiting.is_alive()


@pytest.fixture
def page(make, tmp_path):
    if not browser.find():
        pytest.skip("no browser here: scripts/install-deps brings one")
    directory = tmp_path / "browser"
    directory.mkdir()
    return make.closed(browser.Page(str(directory)))


ROWS = "[...document.querySelectorAll('#deliveries li')].map(r => r.innerText.replaceAll('\\n', ' '))"


def test_the_page_shows_a_delivery_as_it_passes_and_sends_it_again(scene, page):
    page.open(scene.inspector.url)
    page.until("document.getElementById('connection').innerText === 'live'")
    scene.post(b'{"n":12345678901234567890,"list":[],"deep":{"a":"b\\n"}}')
    row = page.until(ROWS + "[0]")
    page.until(ROWS + "[0].includes('418')")
    assert "POST" in row and "/hooks" in row
    page.run("document.querySelector('#deliveries button').click()")
    shown = page.until("document.querySelector('#detail .body')?.innerText")
    assert shown == '{\n  "n": 12345678901234567890,\n  "list": [],\n  "deep": {\n    "a": "b\\n"\n  }\n}'
    scene.respond = lambda received: (200, {"X-App": "second"}, b"\x00\xff")
    page.run("document.getElementById('resend').click()")
    assert page.until("document.querySelectorAll('.response').length === 2 && "
                      "document.querySelectorAll('.response')[1].innerText.includes('second')")
    assert "00 ff" in page.run("document.querySelectorAll('.response')[1].querySelector('.body').innerText")
    assert len(page.run(ROWS)) == 2 and scene.app.wait(2)[1].headers["postern-resend"] == "1"
    assert page.problems == []


def test_a_body_that_is_nested_too_deep_is_shown_as_it_came(scene, page):
    body = b"[" * 30_000 + b"]" * 30_000
    scene.post(body)
    scene.inspector.ended(1)
    page.open(scene.inspector.url)
    page.until(ROWS + ".length === 1")
    page.run("document.querySelector('#deliveries button').click()")
    assert page.until("document.querySelector('#detail .body')?.innerText") == body.decode()
    assert page.problems == []


def test_nothing_that_came_with_a_delivery_runs_in_the_page(scene, page):
    scene.respond = lambda received: (200, {"X-Hostile": HOSTILE}, HOSTILE.encode())
    body = HOSTILE.encode()
    sent = {**sign.github(SECRET, body), "X-Hostile": HOSTILE, "Content-Type": "text/html"}
    assert scene.relay.post(scene.source, sent, body, "?q=%3Cscript%3E").status == 202
    scene.inspector.ended(1)
    page.open(scene.inspector.url)
    page.until(ROWS + ".length === 1")
    page.run("document.querySelector('#deliveries button').click()")
    page.until("document.querySelectorAll('.response .body').length === 1")
    text = page.run("document.getElementById('detail').innerText")
    assert text.count(HOSTILE) == 4  # header and body, there and back
    assert page.run("window.taken === undefined && document.querySelectorAll('#detail script, #detail img').length === 0")
    # And were the page itself wrong, the browser would still refuse it.
    assert page.run("""(() => { try { document.body.innerHTML = '<p>'; return false } catch { return true } })()""")
    assert page.run("fetch('https://example.com/').then(() => false, () => true)")


def test_without_the_token_the_page_says_where_to_find_it(scene, page):
    page.open(scene.inspector.base + "/")
    assert "postern-agent status" in page.until(
        "document.getElementById('connection').className === 'failed' && document.getElementById('connection').innerText")
