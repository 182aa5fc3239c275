"""A real browser without a window, for pages: Chromium, driven over its debugging pipe (Chrome DevTools Protocol)."""
import fcntl
import json
import os
import select
import shutil
import subprocess
import time

NAMES = ("chromium-headless-shell", "chromium", "google-chrome")


def find():
    """The browser's path; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Failed(AssertionError):
    """What the page threw, or the browser refused."""


class Page:
    """One tab. `problems`: what went wrong in it, such as an uncaught error or a refusal by its security policy."""

    def __init__(self, directory):
        to_browser, from_browser = os.pipe(), os.pipe()
        # Beyond 3 and 4, which are the browser's ends of the two.
        ends = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (to_browser[0], from_browser[1])]
        os.close(to_browser[0])
        os.close(from_browser[1])
        self._out, self._in = to_browser[1], from_browser[0]
        argv = [find(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--remote-debugging-pipe", f"--user-data-dir={directory}"]
        self._log = open(os.path.join(directory, "browser.log"), "wb")
        self._child = subprocess.Popen(["bash", "-c", f'exec "$@" 3<&{ends[0]} 4>&{ends[1]}', "bash", *argv],
                                       pass_fds=ends, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        for fd in ends:
            os.close(fd)
        self._buffer = b""
        self._number = 0
        self._session = None
        self.problems = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, timeout=30.0, **params):
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + timeout
        while True:
            answer = self._read(deadline)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise Failed(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def _read(self, deadline):
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0, deadline - time.monotonic()))
            got = os.read(self._in, 1 << 20) if ready else b""
            if not got:
                raise Failed("the browser does not answer")
            self._buffer += got
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, event):
        if event.get("method") == "Runtime.exceptionThrown":
            self.problems.append(event["params"]["exceptionDetails"].get("text", "?"))
        if event.get("method") == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
            entry = event["params"]["entry"]
            self.problems.append(f"{entry['text']} {entry.get('url', '')}")

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.until("location.href !== 'about:blank' && document.readyState === 'complete'")

    def run(self, expression):
        """What JavaScript makes of it in the page; promises are waited for."""
        made = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in made:
            raise Failed(made["exceptionDetails"].get("exception", {}).get("description", str(made)))
        return made["result"].get("value")

    def until(self, expression, timeout=15.0):
        """The expression's value, as soon as it is true."""
        deadline = time.monotonic() + timeout
        while True:
            found = self.run(expression)
            if found:
                return found
            if time.monotonic() > deadline:
                raise TimeoutError(f"{expression} is still {found!r}; the page says: {self.run('document.body.innerText')}")
            time.sleep(0.03)

    def close(self):
        self._child.kill()
        self._child.wait()
        os.close(self._out)
        os.close(self._in)
        self._log.close()
