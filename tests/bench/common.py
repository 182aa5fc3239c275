"""What the measurements share: the load generator, the sink, and the relay's own counters."""
import contextlib
import json
import os
import subprocess
from pathlib import Path

from harness import http
from harness.process import BIN, Process

SECRET = "whsec_bench_signing_secret_0123456789"


def load_argv(port, path, connections, seconds, rate=0, flags=()):
    argv = [BIN / "bench_load", "--port", port, "--path", path, "--secret", SECRET, "--connections", connections,
            "--seconds", seconds, "--rate", rate, *flags]
    return [str(each) for each in argv]


def load(*args, **kw):
    done = subprocess.run(load_argv(*args, **kw), capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr or done.stdout)
    return json.loads(done.stdout)


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sink(directory, *flags):
    process = Process([BIN / "bench_sink", *flags], directory / "sink.log")
    return process, "http://127.0.0.1:" + process.wait_line("ready ").split("port=")[1]


def counters(relay, name):
    """Label set as text -> value, of every series of that name."""
    text = http.send("GET", relay.admin + "/metrics").body.decode()
    series = (line.rsplit(" ", 1) for line in text.splitlines() if line.startswith(name))
    return {key[len(name):].strip("{}"): float(value) for key, value in series}


def quantile(before, after, share):
    """Of a histogram's growth between two counters(…_bucket): the bucket's upper bound that holds the quantile."""
    bounds = {key.split('"')[1]: count - before.get(key, 0) for key, count in after.items()}
    for bound, count in sorted(bounds.items(), key=lambda it: float(it[0].replace("+Inf", "inf"))):
        if count >= share * bounds["+Inf"]:
            return bound
    return None


@contextlib.contextmanager
def on_cores(cores):
    """What is started inside keeps to these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
