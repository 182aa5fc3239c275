"""A redis-server of the test's own: on a Unix socket, so that no port can be taken; it keeps nothing on disk."""
import signal
import socket
import subprocess
import time
from pathlib import Path


class Redis:
    def __init__(self, directory):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.socket = self.directory / "s"
        self.child = None

    @property
    def url(self):
        return f"unix:{self.socket}"

    def start(self, timeout=10.0):
        argv = ["setpriv", "--pdeathsig", "KILL", "redis-server", "--port", "0", "--unixsocket", str(self.socket),
                "--save", "", "--dir", str(self.directory)]
        self.child = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + timeout
        while True:
            try:
                if self.ask("PING") == b"+PONG\r\n":
                    return self
            except OSError:
                pass
            if time.monotonic() > deadline or self.child.poll() is not None:
                raise TimeoutError("redis-server does not answer; scripts/install-deps installs it")
            time.sleep(0.005)

    def ask(self, line):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self.socket))
            connection.sendall(line.encode() + b"\r\n")
            return connection.recv(65536)

    def kill(self):
        if self.child and self.child.poll() is None:
            self.child.kill()
        if self.child:
            self.child.wait()
        self.socket.unlink(missing_ok=True)

    def freeze(self):
        self.child.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.child.send_signal(signal.SIGCONT)
