"""Signed requests at a steady rate to one relay or to all nodes of a cluster, and what was acknowledged."""
import os
import random
import threading
import time

from . import http, sign

SECRET = "a github secret of some length"
SENDERS = 8


class Load:
    """Sends until it is told to stop. `acknowledged` gets event id -> body of every 2xx."""

    def __init__(self, relays, sources, rate, acknowledged, lock):
        self._relays, self._sources, self._acknowledged, self._lock = list(relays), sources, acknowledged, lock
        self._pause = SENDERS / rate
        self._stop = threading.Event()
        self.refused = 0
        self.slowest = 0.0
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def _run(self, number):
        sender, turn = None, number
        path = self._sources[number % len(self._sources)]["ingest_url"].split("/", 3)[3]
        while not self._stop.is_set():
            began = time.monotonic()
            body = b'{"pad":"' + os.urandom(random.choice((20, 300, 4000))).hex().encode() + b'"}'
            headers = sign.github(SECRET, body)
            try:
                sender = sender or http.Sender(self._relays[turn % len(self._relays)].ingest, timeout=5)
                answer = sender.post("/" + path, headers, body)
                with self._lock:
                    self.note(began, time.monotonic() - began)
                    if 200 <= answer.status < 300:
                        self._acknowledged[answer.json()["event_id"]] = body
                    else:
                        self.refused += 1
            except (OSError, http.http.client.HTTPException, ValueError):
                sender = None
                turn += 1  # a balancer in front of several nodes would do the same
            self._stop.wait(max(0.0, self._pause - (time.monotonic() - began)))

    def note(self, began, took):
        """An answer came; under the lock."""
        self.slowest = max(self.slowest, took)

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()


class Flood:
    """Senders who post as fast as they are answered until they are stopped. Each answer goes to _note(body, answer),
    one at a time; `pause` is in seconds, after each."""

    def __init__(self, relay, source, senders=4, pause=0.0):
        self._pause, self._stop, self._changed = pause, threading.Event(), threading.Condition()
        self._path = "/" + source["ingest_url"].split("/", 3)[3]
        self._threads = [threading.Thread(target=self._run, args=(relay, n)) for n in range(senders)]
        for thread in self._threads:
            thread.start()

    def _run(self, relay, number):
        sender, count = http.Sender(relay.ingest), 0
        while not self._stop.is_set():
            count += 1
            body = b'{"by":%d,"n":%d}' % (number, count)
            answer = sender.post(self._path, sign.github(SECRET, body), body)
            with self._changed:
                self._note(body, answer)
                self._changed.notify_all()
            if self._pause:
                self._stop.wait(self._pause)

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def wait_for_all(apps, wanted, timeout=60):
    """Event id -> bodies received, as soon as all of `wanted` are there, or when the time is up."""
    deadline = time.monotonic() + timeout
    while True:
        got = {}
        for app in apps:
            for received in list(app.received):
                got.setdefault(received.headers.get("postern-event-id"), []).append(received.body)
        if wanted <= set(got) or time.monotonic() > deadline:
            return got
        time.sleep(0.1)
