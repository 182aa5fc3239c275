#!/usr/bin/env python3
"""A systemctl for one service and no systemd: FAKE_ROOT is the root directory of its host. It reads the unit as far as
the agent's needs, and starts a service of Type=notify: done when that says that it is ready."""
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(os.environ["FAKE_ROOT"])
OWN = ROOT / "fake"


def settings(unit):
    """Of the last of each key; Environment= of all."""
    found, environment = {}, {}
    for line in (ROOT / "etc/systemd/system" / unit).read_text().splitlines():
        key, mark, value = line.partition("=")
        if not mark or line.startswith("#"):
            continue
        found[key] = value
        if key == "Environment":
            name, _, text = value.partition("=")
            environment[name] = text
    file = ROOT / found["EnvironmentFile"].lstrip("/")
    for name, text in re.findall(r'^(\w+)="((?:[^"\\]|\\.)*)"$', file.read_text(), re.M):
        environment[name] = re.sub(r"\\(.)", r"\1", text)
    return found, environment


def pid():
    try:
        number = int((OWN / "pid").read_text())
        # A child of an earlier command is nobody's child now: it leaves no zombie.
        os.kill(number, 0)
        return number
    except (FileNotFoundError, ProcessLookupError):
        return 0


def stop():
    if number := pid():
        os.kill(number, signal.SIGTERM)
        while pid():
            time.sleep(0.02)


def start(unit):
    found, environment = settings(unit)
    path = OWN / "notify"
    path.unlink(missing_ok=True)
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(path))
    manager.settimeout(10)
    program, *arguments = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', found["ExecStart"])
    environment["POSTERN_AGENT_STATE_DIR"] = str(ROOT / environment["POSTERN_AGENT_STATE_DIR"].lstrip("/"))
    with open(OWN / "log", "ab") as log:
        child = subprocess.Popen([program[0] or program[1], *(a or b for a, b in arguments)], stdout=log, stderr=log,
                                 stdin=subprocess.DEVNULL, start_new_session=True,
                                 env={**environment, "NOTIFY_SOCKET": str(path)})
    (OWN / "pid").write_text(str(child.pid))
    while b"READY=1" not in manager.recv(4096):
        pass


def main(words):
    OWN.mkdir(exist_ok=True)
    with open(OWN / "commands", "a") as commands:
        commands.write(" ".join(words) + "\n")
    if words[0] == "show":
        print(pid())
    elif words[0] == "is-active":
        print("active" if pid() else "inactive")
        return 0 if pid() else 3
    elif words[0] == "is-enabled":
        print("enabled" if (OWN / "enabled").exists() else "disabled")
    elif words[0] == "enable":
        (OWN / "enabled").touch()
    elif words[0] == "restart":
        stop()
        start(words[1])
    elif words[:2] == ["disable", "--now"]:
        (OWN / "enabled").unlink(missing_ok=True)
        stop()
    elif words != ["daemon-reload"]:
        print("what?", file=sys.stderr)
        return 1
    return 0


sys.exit(main(sys.argv[1:]))
