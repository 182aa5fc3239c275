"""Other programs that carry TCP through TLS or SSH, each as two processes as it is meant to be run, where they are found."""
import getpass
import os
import shutil
import socket
import subprocess
import time

from harness.app import closed_port
from harness.process import Process

# Debian puts servers where an ordinary user's PATH does not look.
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"


def found(*programs):
    return next((path for path in map(lambda name: shutil.which(name, path=PATH), programs) if path), None)


def certificate(directory):
    """A key and a self-signed certificate, apart and in one file."""
    key, cert, both = directory / "peer.key", directory / "peer.crt", directory / "peer.pem"
    if not both.exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost"], check=True, capture_output=True)
        both.write_text(cert.read_text() + key.read_text())
    return key, cert, both


def listening(port, timeout=10):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
        except OSError:
            time.sleep(0.05)
    return False


class Peer:
    """`ends(directory, server, middle, through)` gives the command lines of both ends; the near one dials or is dialled
    at `middle`, which a delay may be put before. `through(port)` gives the port to use instead."""

    def __init__(self, directory, server, through=lambda port: port):
        self.port, self._running = closed_port(), []
        self.missing = [names[0] for names in self.programs if not found(*names)]
        if self.missing:
            return
        directory = directory / f"{self.name.split()[0]}-{self.port}"
        directory.mkdir()
        for argv in self.ends(directory, server, through):
            self._running.append(Process(argv, directory / "peer.log"))
        if not listening(self.port):
            self.missing = ["a tunnel that came up: " + self._running[-1].tail(300)]

    def close(self):
        for process in self._running:
            process.kill()


class Ssh(Peer):
    name, programs = "ssh -R", [("ssh",), ("sshd",), ("ssh-keygen",)]

    def ends(self, directory, server, through):
        middle, key = closed_port(), directory / "key"
        os.makedirs("/run/sshd", exist_ok=True)
        subprocess.run([found("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        (directory / "sshd.conf").write_text(
            f"ListenAddress 127.0.0.1:{middle}\nHostKey {key}\nAuthorizedKeysFile {key}.pub\nStrictModes no\n"
            "UsePAM no\nPidFile none\nPermitRootLogin yes\n")
        yield [found("sshd"), "-D", "-e", "-f", directory / "sshd.conf"]
        listening(middle)
        yield [found("ssh"), "-N", "-i", key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
               "-p", through(middle), "-R", f"127.0.0.1:{self.port}:127.0.0.1:{server}", f"{getpass.getuser()}@127.0.0.1"]


class Stunnel(Peer):
    name, programs = "stunnel", [("stunnel", "stunnel4")]

    def ends(self, directory, server, through):
        middle, (_, _, both) = closed_port(), certificate(directory)
        common = "foreground = yes\npid =\n[it]\nTIMEOUTclose = 0\n"
        (directory / "far.conf").write_text(
            f"cert = {both}\n{common}accept = 127.0.0.1:{middle}\nconnect = 127.0.0.1:{server}\n")
        yield [found("stunnel", "stunnel4"), directory / "far.conf"]
        listening(middle)
        (directory / "near.conf").write_text(
            f"client = yes\n{common}accept = 127.0.0.1:{self.port}\nconnect = 127.0.0.1:{through(middle)}\n")
        yield [found("stunnel", "stunnel4"), directory / "near.conf"]


class Haproxy(Peer):
    name, programs = "haproxy", [("haproxy",)]

    def ends(self, directory, server, through):
        middle, (_, _, both) = closed_port(), certificate(directory)
        common = "global\n  maxconn 4000\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n"
        (directory / "far.cfg").write_text(
            f"{common}listen it\n  bind 127.0.0.1:{middle} ssl crt {both}\n  server it 127.0.0.1:{server}\n")
        yield [found("haproxy"), "-db", "-f", directory / "far.cfg"]
        listening(middle)
        (directory / "near.cfg").write_text(
            f"{common}listen it\n  bind 127.0.0.1:{self.port}\n  server it 127.0.0.1:{through(middle)} ssl verify none\n")
        yield [found("haproxy"), "-db", "-f", directory / "near.cfg"]


class Frp(Peer):
    name, programs = "frp", [("frps",), ("frpc",)]

    def ends(self, directory, server, through):
        middle = closed_port()
        (directory / "frps.toml").write_text(f'bindAddr = "127.0.0.1"\nbindPort = {middle}\ntransport.tls.force = true\n')
        yield [found("frps"), "-c", directory / "frps.toml"]
        listening(middle)
        (directory / "frpc.toml").write_text(
            f'serverAddr = "127.0.0.1"\nserverPort = {through(middle)}\n[[proxies]]\nname = "it"\ntype = "tcp"\n'
            f'localIP = "127.0.0.1"\nlocalPort = {server}\nremotePort = {self.port}\n')
        yield [found("frpc"), "-c", directory / "frpc.toml"]


class Chisel(Peer):
    name, programs = "chisel", [("chisel",)]

    def ends(self, directory, server, through):
        middle = closed_port()
        yield [found("chisel"), "server", "--host", "127.0.0.1", "--port", middle, "--reverse"]
        listening(middle)
        yield [found("chisel"), "client", f"127.0.0.1:{through(middle)}", f"R:127.0.0.1:{self.port}:127.0.0.1:{server}"]


class Rathole(Peer):
    name, programs = "rathole", [("rathole",)]

    def ends(self, directory, server, through):
        middle, (key, cert, _) = closed_port(), certificate(directory)
        bundle = directory / "identity.pfx"
        subprocess.run(["openssl", "pkcs12", "-export", "-out", bundle, "-inkey", key, "-in", cert, "-passout", "pass:it"],
                       check=True, capture_output=True)
        (directory / "server.toml").write_text(
            f'[server]\nbind_addr = "127.0.0.1:{middle}"\ndefault_token = "it"\n[server.transport]\ntype = "tls"\n'
            f'[server.transport.tls]\npkcs12 = "{bundle}"\npkcs12_password = "it"\n'
            f'[server.services.it]\nbind_addr = "127.0.0.1:{self.port}"\n')
        yield [found("rathole"), directory / "server.toml"]
        listening(middle)
        (directory / "client.toml").write_text(
            f'[client]\nremote_addr = "127.0.0.1:{through(middle)}"\ndefault_token = "it"\n[client.transport]\ntype = "tls"\n'
            f'[client.transport.tls]\ntrusted_root = "{cert}"\nhostname = "localhost"\n'
            f'[client.services.it]\nlocal_addr = "127.0.0.1:{server}"\n')
        yield [found("rathole"), directory / "client.toml"]


PEERS = (Ssh, Stunnel, Haproxy, Frp, Rathole, Chisel)
