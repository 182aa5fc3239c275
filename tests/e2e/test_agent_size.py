"""The agent stays small: on the disk, and in memory while it waits."""
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from harness.process import BIN
from harness.wait import eventually
from test_agent import connect, post

MiB = 1024 * 1024
ON_DISK = 6 * MiB
IDLE = 12 * MiB

released = pytest.mark.skipif("CMAKE_BUILD_TYPE:STRING=Release" not in (BIN.parent / "CMakeCache.txt").read_text(),
                              reason="only what people run has to be small")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """As a package has it."""
    prefix = tmp_path_factory.mktemp("installed")
    done = subprocess.run(["cmake", "--install", BIN.parent, "--component", "agent", "--strip", "--prefix", prefix],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return prefix / "bin" / "postern-agent"


def memory(pid, name):
    """Bytes that /proc says of a process: VmRSS, RssAnon, RssFile."""
    return int(re.search(rf"^{name}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.M).group(1)) * 1024


@released
@pytest.mark.engine("sqlite")
def test_it_is_small(relay, make, installed):
    agent = make.agent(relay, allow=["localhost:1"], binary=installed)
    assert eventually(lambda: agent.status()["sessions_open"] == 2)
    resident, own = memory(agent.pid, "VmRSS"), memory(agent.pid, "RssAnon")
    size = installed.stat().st_size
    print(f"\n{size / MiB:.2f} MiB on disk, {resident / MiB:.2f} MiB resident of which {own / MiB:.2f} MiB its own")
    assert size < ON_DISK and resident < IDLE
    assert own < 4 * MiB


@released
@pytest.mark.engine("sqlite")
def test_it_is_small_again_after_work(relay, make, installed):
    app = make.app()
    agent = make.agent(relay, allow=[app.address], binary=installed)
    source = connect(relay, agent, app.address, concurrency=64)
    threads = [threading.Thread(target=lambda: [post(relay, source, os.urandom(900_000)) for _ in range(8)])
               for _ in range(6)]
    for thread in threads:
        thread.start()
    app.wait(48, timeout=60)
    for thread in threads:
        thread.join()
    assert eventually(lambda: memory(agent.pid, "VmRSS") < IDLE, 30), memory(agent.pid, "VmRSS")


@released
@pytest.mark.engine("sqlite")
def test_it_needs_nothing_that_a_host_may_not_have(installed):
    """Only the C library and OpenSSL are shared: a copy runs on any host of that Debian."""
    ldd = shutil.which("ldd")
    names = re.findall(r"^\s*(\S+?)\.so", subprocess.run([ldd, installed], capture_output=True, text=True).stdout, re.M)
    shared = {Path(n).name for n in names}
    assert shared <= {"linux-vdso", "libssl", "libcrypto", "libc", "libm", "ld-linux-x86-64", "ld-linux-aarch64"}, shared
