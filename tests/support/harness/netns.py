"""A network namespace of its own for an agent, joined to this one by two cables: one to cut, and one that stays."""
import itertools
import os
import subprocess

_numbers = itertools.count()


def _ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def why_not():
    """Why there can be no namespaces here; None when there can."""
    if os.geteuid() != 0:
        return "making network namespaces needs root"
    try:
        subprocess.run(["unshare", "-n", "ip", "link", "add", "end0", "type", "veth", "peer", "name", "end1"],
                       check=True, capture_output=True, text=True)
    except FileNotFoundError as missing:
        return f"there is no {missing.filename}"
    except subprocess.CalledProcessError as failed:
        return f"no veth in a new namespace: {failed.stderr.strip()}"
    return None


class Cable:
    """A veth pair of 10.NET.0/24 (`net` is three numbers): .1 is this end, .2 the one in the namespace."""

    def __init__(self, namespace, name, net):
        self._namespace, self._near, self._far = namespace, name + "a", name + "b"
        self.near_address, self.far_address = f"{net}.1", f"{net}.2"
        _ip("link", "add", self._near, "type", "veth", "peer", "name", self._far, "netns", str(namespace.pid))
        _ip("addr", "add", f"{self.near_address}/24", "dev", self._near)
        namespace.ip("addr", "add", f"{self.far_address}/24", "dev", self._far)
        self.up()

    def down(self, side):
        """Takes one end down; the other one loses its carrier."""
        if side == "near":
            _ip("link", "set", self._near, "down")
        else:
            self._namespace.ip("link", "set", self._far, "down")

    def up(self):
        _ip("link", "set", self._near, "up")
        self._namespace.ip("link", "set", self._far, "up")

    def close(self):
        subprocess.run(["ip", "link", "del", self._near], capture_output=True)


class Namespace:
    """Lives until close(). What is started with `prefix` before its arguments runs inside. `line` is to be cut,
    `yard` stays whole."""

    def __init__(self):
        self._holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo ready; exec sleep infinity"],
                                        stdout=subprocess.PIPE)
        self._holder.stdout.readline()
        self.pid = self._holder.pid
        self.prefix = ["nsenter", "-t", str(self.pid), "-n"]
        self.ip("link", "set", "lo", "up")
        turn = next(_numbers)
        name, net = f"pt{os.getpid()}{turn}", f"10.{128 + os.getpid() % 100}.{turn * 2 % 250}"
        self.line = Cable(self, name + "l", net)
        self.yard = Cable(self, name + "y", f"10.{128 + os.getpid() % 100}.{turn * 2 % 250 + 1}")

    def ip(self, *words):
        done = subprocess.run([*self.prefix, "ip", *words], capture_output=True, text=True)
        if done.returncode != 0:
            raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")

    def close(self):
        self.line.close()
        self.yard.close()
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()
