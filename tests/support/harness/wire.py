"""A TCP connection that can go silent: what is between a node and a server when the network is cut."""
import socket
import threading


class Wire:
    """Stands before 127.0.0.1:`port`. While it is cut nothing passes and nothing is refused: connections stay, and
    new ones are taken and hear nothing, as behind a firewall that drops. What was said meanwhile arrives after."""

    def __init__(self, port):
        self._target = port
        self._through = threading.Event()
        self._through.set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._ends = []
        self.port = self._listener.getsockname()[1]
        serve_each(self._listener, self._serve)

    def cut(self):
        self._through.clear()

    def mend(self):
        self._through.set()

    def close(self):
        self._listener.close()
        self.mend()
        for end in self._ends:
            shut(end)

    def _serve(self, client):
        self._ends.append(client)
        self._through.wait()
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            return shut(client)
        self._ends.append(server)
        threading.Thread(target=self._pump, args=(client, server), daemon=True).start()
        self._pump(server, client)

    def _pump(self, source, sink):
        try:
            while data := source.recv(65536):
                self._through.wait()
                sink.sendall(data)
        except OSError:
            pass
        self._through.wait()  # the end of a connection is not heard either
        shut(source)
        shut(sink)


def shut(end):
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def serve_each(listener, serve):
    """Calls `serve(connection)` in a thread of its own for each one taken, until the listener is closed."""
    def accept():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
