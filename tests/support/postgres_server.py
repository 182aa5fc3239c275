"""One PostgreSQL server for many test programs.

start FILE   starts it, writes its address to FILE and leaves it running
stop FILE    stops the one that FILE tells of
run          starts it, prints its address, and stops it when standard input ends
"""
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness.postgres import Postgres  # noqa: E402


def start(file):
    stop(file)
    # Many short tests, each with a database of its own: in memory, and without waiting for a disk that is not tested.
    server = Postgres(in_memory=True).start()
    described = {"url": server.url("postgres"), "pid": server.child.pid, "directory": str(server.directory)}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(described))


def stop(file):
    if not file.exists():
        return
    known = json.loads(file.read_text())
    file.unlink()
    try:
        os.kill(known["pid"], signal.SIGINT)
        for _ in range(500):
            os.kill(known["pid"], 0)
            time.sleep(0.02)
    except ProcessLookupError:
        pass
    shutil.rmtree(known["directory"], ignore_errors=True)


def run():
    server = Postgres(in_memory=True).start()
    try:
        print(server.url("postgres"), flush=True)
        sys.stdin.read()
    finally:
        server.remove()


if __name__ == "__main__":
    if sys.argv[1:] == ["run"]:
        run()
    elif len(sys.argv) == 3 and sys.argv[1] in ("start", "stop"):
        {"start": start, "stop": stop}[sys.argv[1]](Path(sys.argv[2]))
    else:
        sys.exit(__doc__)
