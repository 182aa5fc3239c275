"""`postern serve` and its REST API, `postern-agent`, as tests use them."""
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from . import http
from .process import BIN, Process


class ApiError(AssertionError):
    def __init__(self, answer):
        super().__init__(f"{answer.status}: {answer.body[:2000].decode('utf-8', 'replace')}")
        self.answer = answer


class Api:
    def __init__(self, base, key):
        self.base = base
        self.key = key

    def call(self, method, path, body=None, headers=None, timeout=30):
        sent = {"Authorization": f"Bearer {self.key}", **(headers or {})}
        data = b""
        if body is not None:
            data = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        return http.send(method, f"{self.base}/api/v1/{path}", sent, data, timeout)

    def ok(self, method, path, body=None, **kw):
        answer = self.call(method, path, body, **kw)
        if not 200 <= answer.status < 300:
            raise ApiError(answer)
        return answer.json() if answer.body else None

    def get(self, path):
        return self.ok("GET", path)

    def post(self, path, body=None, **kw):
        return self.ok("POST", path, {} if body is None else body, **kw)

    def items(self, path):
        """Every item of a listing, following the cursor."""
        found, cursor = [], None
        while True:
            mark = "&" if "?" in path else "?"
            page = self.get(path + (f"{mark}cursor={cursor}" if cursor else ""))
            found += page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                return found

    def source(self, name, provider, secrets=(), **fields):
        return self.post("sources", {"name": name, "provider": provider, "secrets": list(secrets), **fields})

    def destination(self, name, kind, url, **fields):
        return self.post("destinations", {"name": name, "kind": kind, "url": url, **fields})

    def route(self, source, destination):
        return self.post("routes", {"source_id": source["id"], "destination_id": destination["id"]})

    def deliveries(self, event_id):
        return self.items(f"deliveries?event_id={event_id}")

    def delivery(self, delivery_id):
        return self.get(f"deliveries/{delivery_id}")

    def wait_delivery(self, event_id, state, timeout=20.0):
        """The event's first delivery in that state, in full, as soon as it is there."""
        deadline = time.monotonic() + timeout
        while True:
            seen = self.deliveries(event_id)
            for delivery in seen:
                if delivery["state"] == state:
                    return self.delivery(delivery["id"])
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {state} delivery of {event_id} in {timeout} s: {seen}")
            time.sleep(0.02)


class Relay:
    def __init__(self, directory, flags=(), env=None, binary=None, database=None, ports=None,
                 tunnel_host="127.0.0.1"):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.data = self.directory / "data"
        self.flags = list(flags)
        self.env = env or {}
        self.binary = binary or BIN / "postern"
        self.database = database  # a PostgreSQL URL; None: SQLite
        self.ports = {"ingest": 0, "tunnel": 0, "admin": 0, **(ports or {})}
        self.tunnel_host = tunnel_host
        self.process = None

    def start(self, timeout=20.0):
        argv = [self.binary, "serve", "--data-dir", self.data]
        for name, port in self.ports.items():
            host = self.tunnel_host if name == "tunnel" else "127.0.0.1"
            argv += [f"--{name}-listen", f"{host}:{port}"]
        # Deliveries of the tests go to this machine, which the default policy rightly refuses.
        # And they send more through one source than a sender should: tests of the limits set them again.
        env = {"POSTERN_EGRESS_ALLOW_NETWORKS": "127.0.0.0/8", "POSTERN_STORE_LOW_WATER_BYTES": "16MiB",
               "POSTERN_INGEST_SOURCE_RATE": "0", "POSTERN_INGEST_WORKSPACE_RATE": "0",
               "POSTERN_INGEST_FAILURES_PER_MINUTE": "0",
               # A test machine may be busy with anything: only tests of the overload give something up.
               "POSTERN_OVERLOAD_WAIT": "0", **self.env}
        if self.database:
            env.setdefault("POSTERN_DATABASE", self.database)
        began = time.monotonic()
        self.process = Process(argv + self.flags, self.directory / "relay.log", env)
        line = self.process.wait_line("ready ", timeout)
        self.ready_after = time.monotonic() - began
        # No test may believe that it runs on an engine that it does not.
        assert (self.data / "postern.db").exists() == (not self.database), self.database
        self.listeners = dict(part.split("=", 1) for part in line.split()[1:])
        self.ingest = self.listeners["ingest"]
        self.tunnel = self.listeners["tunnel"]
        self.admin = self.listeners["admin"]
        # A restart keeps its ports, as a real relay does: agents and providers know them.
        for name in self.ports:
            self.ports[name] = int(self.listeners[name].rsplit(":", 1)[1])
        self.key = (self.data / "admin.key").read_text().strip()
        self.api = Api(self.admin, self.key)
        return self

    def join_cluster_of(self, other):
        """Before start(): another node of the same cluster opens what the first one sealed."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = self.data / "master.key"
        key.touch(mode=0o600)
        key.write_bytes((other.data / "master.key").read_bytes())
        self.database = other.database
        return self

    def add_workspace(self, name):
        """Restarts with one more workspace; its API."""
        self.stop()
        argv = [BIN / "test_add_workspace", self.data, name, *([self.database] if self.database else [])]
        done = subprocess.run([str(a) for a in argv], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        self.start()
        return Api(self.admin, done.stdout.strip())

    def stop(self):
        return self.process.stop()

    def kill(self):
        return self.process.kill()

    def log(self):
        return (self.directory / "relay.log").read_text(errors="replace")

    def post(self, source, headers, body, suffix=""):
        return http.send("POST", source["ingest_url"] + suffix, headers, body)


class Agent:
    def __init__(self, directory, relay, name, allow, prefix=(), env=None, binary=None):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.state = self.directory / "state"
        self.allow = list(allow)
        self.env = {"POSTERN_AGENT_UNSUPERVISED": "1", **(env or {})}  # the tests follow it by themselves
        known = [a for a in relay.api.items("agents") if a["name"] == name]
        self.info = known[0] if known else relay.api.post("agents", {"name": name})
        self.id = self.info["id"]
        self.relay = relay
        self.prefix = list(prefix)  # of every command line: nsenter, for one
        self.binary = binary or BIN / "postern-agent"
        self.process = None

    def join(self, timeout=20.0):
        self.enrollment = self.relay.api.post(f"agents/{self.id}/enrollment")
        token = self.directory / "join-token"
        token.write_text(self.enrollment["join_token"])
        argv = [*self.prefix, self.binary, "join", "--join-file", token, "--state-dir", self.state]
        for target in self.allow:
            argv += ["--allow", target]
        self.process = Process(argv, self.directory / "agent.log", self.env)
        self.process.wait_line("connected ", timeout)
        return self

    def run(self, *options, timeout=20.0):
        argv = [*self.prefix, self.binary, "run", "--state-dir", self.state, *options]
        self.process = Process(argv, self.directory / "agent.log", self.env)
        self.process.wait_line("connected ", timeout)
        return self

    def dial_by(self, address):
        """From now on it dials the relay by another address: one that a test put in between."""
        self.stop()
        file = self.state / "state.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "relay": address}))
        return self.run()

    @property
    def pid(self):
        """Of the process that holds the state directory, or held it last."""
        return int((self.state / "lock").read_text().split()[0])

    def upgrade(self, timeout=60):
        """`postern-agent upgrade`: what it said, and its status."""
        return subprocess.run([str(BIN / "postern-agent"), "upgrade", "--state-dir", str(self.state)],
                              capture_output=True, text=True, timeout=timeout)

    def _end_successor(self, number):
        """After an upgrade another process is the agent, no child of ours."""
        if not (self.state / "lock").exists() or self.pid == self.process.pid:
            return
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    def stop(self):
        self._end_successor(signal.SIGTERM)
        return self.process.stop()

    def kill(self):
        self._end_successor(signal.SIGKILL)
        return self.process.kill()

    def configure(self, text):
        """As an editor does: a new file, renamed over the old one."""
        new = self.state / "agent.toml.new"
        new.write_text(text)
        new.rename(self.state / "agent.toml")

    def status(self):
        return json.loads((self.state / "status.json").read_text())

    def log(self):
        return (self.directory / "agent.log").read_text(errors="replace")
