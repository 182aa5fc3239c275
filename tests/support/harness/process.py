"""A child process whose output is kept, and whose lines can be waited for instead of slept for."""
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(os.environ.get("POSTERN_BIN", ROOT / "build" / "release" / "bin"))


class Exited(Exception):
    """The process ended before it said what was waited for."""


class Process:
    def __init__(self, argv, log_path, env=None, stdin=None):
        self.argv = [str(a) for a in argv]
        self.log_path = Path(log_path)
        self._log = open(self.log_path, "ab")
        self._lines = []
        self._changed = threading.Condition()
        merged = {k: v for k, v in os.environ.items() if not k.startswith("POSTERN_")}
        merged.update(env or {})
        self.child = subprocess.Popen(
            self.argv, stdin=stdin or subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log, env=merged)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for raw in self.child.stdout:
            with self._changed:
                self._lines.append(raw.decode("utf-8", "replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._lines.append(None)
            self._changed.notify_all()

    @property
    def pid(self):
        return self.child.pid

    def wait_line(self, prefix, timeout=20.0):
        """The first line on stdout that starts with prefix."""
        return self.wait_nth(prefix, 1, timeout)

    def wait_nth(self, prefix, number, timeout=20.0):
        """The number-th of them."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                seen = 0
                for line in self._lines:
                    if line is None:
                        raise Exited(f"{self.argv[0]} ended with {self.child.wait()}:\n{self.tail()}")
                    seen += line.startswith(prefix)
                    if seen == number:
                        return line
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    if time.monotonic() >= deadline:
                        raise TimeoutError(f"no line {prefix!r} from {self.argv[0]}:\n{self.tail()}")

    def tail(self, size=4000):
        self._log.flush()
        return self.log_path.read_bytes()[-size:].decode("utf-8", "replace")

    def alive(self):
        return self.child.poll() is None

    def signal(self, number):
        self.child.send_signal(number)

    def kill(self):
        if self.alive():
            self.child.kill()
        code = self.child.wait()
        self._close()
        return code

    def stop(self, timeout=35.0):
        """SIGTERM, then wait: the polite way out. Returns the exit code."""
        if self.alive():
            self.child.send_signal(signal.SIGTERM)
        try:
            code = self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            self._close()
            raise AssertionError(f"{self.argv[0]} did not end {timeout} s after SIGTERM:\n{self.tail()}")
        self._close()
        return code

    def _close(self):
        if self.child.stdin:
            self.child.stdin.close()
        self._reader.join(5)
        self.child.stdout.close()
        self._log.close()
