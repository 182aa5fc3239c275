"""A balancer of TCP connections, as stands before the nodes of a cluster: each connection goes to the next node that takes it."""
import socket
import threading

from .wire import shut


class Balancer:
    """Before `addresses` ("host:port"). It knows nothing of health: a node that refuses is passed over, and tried again."""

    def __init__(self, addresses):
        self._addresses = [(host, int(port)) for host, port in (address.rsplit(":", 1) for address in addresses)]
        self._turn = 0
        self._ends = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()
        for end in self._ends:
            shut(end)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = self._next()
            if server is None:
                shut(client)
                continue
            self._ends += [client, server]
            for way in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=way, daemon=True).start()

    def _next(self):
        for _ in self._addresses:
            self._turn += 1
            try:
                return socket.create_connection(self._addresses[self._turn % len(self._addresses)], timeout=2)
            except OSError:
                continue
        return None


def _pump(source, sink):
    source.settimeout(None)
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    shut(source)
    shut(sink)
