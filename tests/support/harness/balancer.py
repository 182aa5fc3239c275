"""A balancer of TCP connections, as stands before the nodes of a cluster: each connection goes to the next node that takes it."""
import socket
import threading

from .wire import serve_each, shut


class Balancer:
    """Before `addresses` ("host:port"). It knows nothing of health: a node that refuses is passed over, and tried again."""

    def __init__(self, addresses):
        self._addresses = [(host, int(port)) for host, port in (address.rsplit(":", 1) for address in addresses)]
        self._turn = 0
        self._ends = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        serve_each(self._listener, self._serve)

    def close(self):
        self._listener.close()
        for end in self._ends:
            shut(end)

    def _serve(self, client):
        server = self._next()
        if server is None:
            return shut(client)
        self._ends += [client, server]
        threading.Thread(target=_pump, args=(client, server), daemon=True).start()
        _pump(server, client)

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
