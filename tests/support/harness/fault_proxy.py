"""The TCP proxy that does what networks do; its commands are in tests/support/fault_proxy/proxy.hpp."""
import subprocess
import threading

from .process import BIN


class FaultProxy:
    """Stands before `target` (host:port). One thread at a time may command it; others wait."""

    def __init__(self, target, listen="127.0.0.1:0"):
        argv = [str(BIN / "test_fault_proxy"), "--target", target, "--listen", listen]
        self.child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._one = threading.Lock()
        self.port = int(self.child.stdout.readline().split("port=")[1])

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def do(self, *commands):
        """The last answer, without its ok."""
        with self._one:
            for command in commands:
                self.child.stdin.write(command + "\n")
                self.child.stdin.flush()
                answer = self.child.stdout.readline().strip()
                assert answer.startswith("ok"), answer
        return answer[3:]

    def close(self):
        self.child.stdin.close()
        self.child.wait()
        self.child.stdout.close()
