"""A real nats-server with JetStream, as much of its client protocol as tests need, and a tap on the wire between."""
import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from .wire import serve_each, shut

# Debian puts it where an ordinary user's PATH does not look.
PROGRAM = shutil.which("nats-server", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/bin")


class NatsServer:
    def __init__(self, directory):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.store = self.directory / "store"
        self.port = 0
        self.process = None

    def start(self, timeout=20.0):
        assert PROGRAM, "nats-server is not installed: scripts/install-deps installs it"
        ports = self.directory / "ports"
        shutil.rmtree(ports, ignore_errors=True)
        ports.mkdir()
        with open(self.directory / "nats.log", "ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "-a", "127.0.0.1", "-p", str(self.port or -1), "-js", "-sd", self.store,
                 "--ports_file_dir", ports], stdout=log, stderr=log)
        deadline = time.monotonic() + timeout
        while True:
            for file in ports.iterdir():
                text = file.read_text()
                if "nats://" in text:
                    self.port = int(json.loads(text)["nats"][0].rsplit(":", 1)[1])
                    return self
            assert self.process.poll() is None and time.monotonic() < deadline, self.log()
            time.sleep(0.01)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        if self.process:
            self.process.wait()

    def wipe(self):
        """As if it had never stored anything; only while it does not run."""
        shutil.rmtree(self.store, ignore_errors=True)

    def log(self):
        return (self.directory / "nats.log").read_text(errors="replace")

    @property
    def url(self):
        return f"nats://127.0.0.1:{self.port}"

    def client(self):
        return NatsClient(self.port)


class Message:
    def __init__(self, stored):
        self.subject = stored["subject"]
        self.sequence = stored["seq"]
        self.headers = {}
        for line in base64.b64decode(stored.get("hdrs", "")).decode().split("\r\n")[1:]:
            name, colon, value = line.partition(":")
            if colon:
                self.headers[name] = value.strip()
        self.data = base64.b64decode(stored.get("data", ""))

    def json(self):
        return json.loads(self.data)


class NatsClient:
    """One connection, one request at a time."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.reader = self.socket.makefile("rb")
        assert self.reader.readline().startswith(b"INFO ")
        self.inbox = "_INBOX.test." + os.urandom(8).hex()
        self._send(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n')
        self._send(f"SUB {self.inbox} 1\r\n".encode())

    def _send(self, data):
        self.socket.sendall(data)

    def request(self, subject, body=b""):
        """The answer's data; None when nobody answers for the subject."""
        self._send(f"PUB {subject} {self.inbox} {len(body)}\r\n".encode() + body + b"\r\n")
        while True:
            words = self.reader.readline().split()
            if not words or words[0] == b"-ERR":
                raise AssertionError(f"the connection to NATS ended: {words}")
            if words[0] == b"PING":
                self._send(b"PONG\r\n")
            elif words[0] == b"MSG":
                return self._payload(int(words[-1]))
            elif words[0] == b"HMSG":
                self._payload(int(words[-1]))
                return None

    def _payload(self, size):
        return self.reader.read(size + 2)[:size]

    def api(self, subject, body=None):
        """JetStream's own API; waits for a server whose JetStream has not started yet."""
        deadline = time.monotonic() + 20
        while (answer := self.request("$JS.API." + subject, json.dumps(body).encode() if body else b"")) is None:
            assert time.monotonic() < deadline, f"JetStream does not answer {subject}"
            time.sleep(0.02)
        return json.loads(answer)

    def add_stream(self, name="EVENTS", subjects=("postern.>",), **more):
        made = self.api(f"STREAM.CREATE.{name}",
                        {"name": name, "subjects": list(subjects), "storage": "file", "retention": "limits", **more})
        assert "error" not in made, made

    def messages(self, name="EVENTS"):
        """All messages of the stream, in order."""
        state = self.api(f"STREAM.INFO.{name}")["state"]
        found = []
        for sequence in range(state["first_seq"], state["last_seq"] + 1):
            answer = self.api(f"STREAM.MSG.GET.{name}", {"seq": sequence})
            if "message" in answer:
                found.append(Message(answer["message"]))
        return found

    def wait_messages(self, count, name="EVENTS", timeout=20.0):
        deadline = time.monotonic() + timeout
        while len(found := self.messages(name)) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} messages in {timeout} s"
            time.sleep(0.02)
        return found

    def close(self):
        self.reader.close()
        self.socket.close()


class Tap:
    """Stands between a client and the server, and can lose what the server says at the worst moment."""

    def __init__(self, port):
        self.target = port
        self.lose_next_ack = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        serve_each(self._listener, self._serve)

    @property
    def url(self):
        return "nats://127.0.0.1:%d" % self._listener.getsockname()[1]

    def _serve(self, client):
        server = socket.create_connection(("127.0.0.1", self.target))
        threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
        self._pump(server, client, True)

    def _pump(self, source, sink, answers):
        try:
            while data := source.recv(65536):
                if answers and self.lose_next_ack and b'"seq":' in data:
                    self.lose_next_ack = False
                    break
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            shut(end)

    def close(self):
        self._listener.close()
