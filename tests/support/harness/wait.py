"""Waiting for what will be so."""
import time


def eventually(check, timeout=15.0):
    """What `check` finds, as soon as that is true; what it found last when the time is up."""
    deadline = time.monotonic() + timeout
    while True:
        found = check()
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.02)
