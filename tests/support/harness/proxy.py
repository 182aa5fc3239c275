"""An HTTP proxy that takes CONNECT, with a user when told so."""
import base64
import socket
import threading

from .wire import serve_each, shut


class Proxy:
    """Connects to `names[host:port]` where it is listed, as a proxy with a resolver of its own; else to what was asked for."""

    def __init__(self, user="", names=None):
        self.user = user
        self.names = names or {}
        self.asked = []  # what each CONNECT named, refused ones included
        self.status = {}  # answers for a target, instead of connecting
        self._open = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        serve_each(self._listener, self._serve)

    @property
    def address(self):
        return "127.0.0.1:%d" % self._listener.getsockname()[1]

    def _serve(self, client):
        self._open.append(client)
        try:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1) or b"\r\n\r\n"
            lines = head.decode().split("\r\n")
            method, target, _ = lines[0].split(" ")
            self.asked.append(target)
            wanted = "Proxy-Authorization: Basic " + base64.b64encode(self.user.encode()).decode()
            if self.user and wanted not in lines:
                return self._end(client, b"407 Proxy Authentication Required")
            if method != "CONNECT" or target in self.status:
                return self._end(client, self.status.get(target, "405 Only CONNECT").encode())
            host, port = self.names.get(target, target).rsplit(":", 1)
            relay = socket.create_connection((host, int(port)), timeout=10)
            relay.settimeout(None)
        except (OSError, ValueError):
            return self._end(client, b"502 Bad Gateway")
        self._open.append(relay)
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threading.Thread(target=self._carry, args=(relay, client), daemon=True).start()
        self._carry(client, relay)

    @staticmethod
    def _end(client, status):
        try:
            client.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
        except OSError:
            pass
        client.close()

    @staticmethod
    def _carry(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            shut(end)

    def close(self):
        self._listener.close()
        for held in self._open:
            held.close()
