"""Apps that deliveries arrive at: one that records, one that never reads, and a stand-in for Slack."""
import socket
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Received:
    def __init__(self, method, target, headers, body):
        self.method = method
        self.target = target
        self.header_list = headers
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body
        self.at = time.monotonic()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request, client_address):
        """A relay that is killed in the middle of a request is what some tests are about."""


class _UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 512


class App:
    """Records every request and answers `respond(received)`: a status, or (status, headers, body).

    `path`: on a unix socket there. `tls`: a harness.tls.Certificate to show."""

    def __init__(self, respond=lambda received: 200, port=0, host="127.0.0.1", path=None, tls=None):
        self.respond = respond
        self.received = []
        self._changed = threading.Condition()
        app = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = path is None

            def _serve(self):
                length = int(self.headers.get("Content-Length") or 0)
                received = Received(self.command, self.path, list(self.headers.items()), self.rfile.read(length))
                with app._changed:
                    app.received.append(received)
                    app._changed.notify_all()
                answer = app.respond(received)
                status, headers, body = answer if isinstance(answer, tuple) else (answer, {}, b"ok")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _serve

            def log_message(self, *args):
                pass

        self._server = _UnixServer(str(path), Handler) if path else _Server((host, port), Handler)
        if tls:
            self._server.socket = tls.server().wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def port(self):
        return self._server.server_address[1]

    @property
    def address(self):
        return "%s:%d" % self._server.server_address[:2]

    @property
    def url(self):
        return f"http://{self.address}"

    def wait(self, count=1, timeout=20.0, where=lambda received: True):
        """The first `count` requests that match, as soon as they are there."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                found = [r for r in self.received if where(r)]
                if len(found) >= count:
                    return found
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"{len(found)} of {count} requests arrived in {timeout} s")
                self._changed.wait(left)

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class BlackHole:
    """A host that answers no SYN: its queue of connections is full and nobody takes one out."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self._queued = []
        while self._taken():
            pass

    def _taken(self):
        probe = socket.socket()
        probe.settimeout(0.3)
        self._queued.append(probe)
        return probe.connect_ex(self._listener.getsockname()) == 0

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self._listener.getsockname()[1]

    def close(self):
        for held in (self._listener, *self._queued):
            held.close()


def closed_port():
    """A port that nothing listens on: it was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class DeafApp:
    """Accepts connections and never reads a byte from them."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.held = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.held.append(connection)

    @property
    def address(self):
        return "127.0.0.1:%d" % self._listener.getsockname()[1]

    def close(self):
        self._listener.close()
        for connection in self.held:
            connection.close()
