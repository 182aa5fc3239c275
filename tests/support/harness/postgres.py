"""A PostgreSQL server of the tests' own, on a socket and a port of its own, with durability as in production."""
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

SETTINGS = {
    # What the relay asserts, said here so that no default can change it.
    "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on",
    "max_connections": "200", "shared_buffers": "128MB", "log_min_messages": "warning", "logging_collector": "off",
}
OWNER = "relay"  # owns its databases and may make roles, but is no superuser: row-level security must hold for it


def binaries():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]))
    if not found:
        raise RuntimeError("PostgreSQL is not installed: scripts/install-deps brings it")
    return Path(found[-1])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def as_server_user(command):
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]


class Postgres:
    def __init__(self, in_memory=False, **settings):
        base = "/dev/shm" if in_memory and os.access("/dev/shm", os.W_OK) else None
        self.directory = Path(tempfile.mkdtemp(prefix="postern-pg-", dir=base))
        self.data = self.directory / "data"
        self.settings = {**SETTINGS, **settings}
        self.port = free_port()
        self.child = None
        self._databases = 0
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.directory, user.pw_uid, user.pw_gid)
        else:
            self.directory.chmod(0o700)
        self._run("initdb", "-D", self.data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8",
                  "--no-sync")

    def _run(self, program, *arguments):
        command = as_server_user([str(binaries() / program), *map(str, arguments)])
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.directory)
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr or done.stdout}")
        return done.stdout

    def start(self):
        flags = [f"-c{name}={value}" for name, value in self.settings.items()]
        flags += ["-clisten_addresses=127.0.0.1", f"-cport={self.port}", f"-cunix_socket_directories={self.directory}"]
        log = open(self.directory / "server.log", "ab")
        self.child = subprocess.Popen(as_server_user([str(binaries() / "postgres"), "-D", str(self.data), *flags]),
                                      stdout=log, stderr=log, cwd=self.directory, start_new_session=True)
        log.close()
        self._wait_ready()
        if not self.query("SELECT 1 FROM pg_roles WHERE rolname = 'relay'"):
            self.query(f"CREATE ROLE {OWNER} LOGIN CREATEROLE CREATEDB")
        return self

    def _wait_ready(self, timeout=90):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.child.poll() is not None:
                raise RuntimeError("PostgreSQL ended: " + (self.directory / "server.log").read_text()[-2000:])
            ready = subprocess.run([binaries() / "pg_isready", "-q", "-h", self.directory, "-p", str(self.port)])
            if ready.returncode == 0:
                return
            time.sleep(0.02)
        raise TimeoutError("PostgreSQL is not ready")

    def query(self, sql, database="postgres", user="postgres"):
        """Lines of the answer, columns joined by |."""
        done = subprocess.run([binaries() / "psql", "-h", self.directory, "-p", str(self.port), "-U", user, "-d", database,
                               "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", sql], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout.splitlines()

    def database(self):
        """A fresh database; its URL."""
        self._databases += 1
        name = f"db{os.getpid()}_{self._databases}"
        self.query(f"CREATE DATABASE {name} OWNER {OWNER}")
        return self.url(name)

    def url(self, name):
        return f"postgresql://{OWNER}@127.0.0.1:{self.port}/{name}"

    @staticmethod
    def name_of(url):
        return url.rsplit("/", 1)[1]

    def _signal_all(self, number):
        """The server's process and its children, each of which leads a session of its own. Returns their pids."""
        children = subprocess.run(["pgrep", "-P", str(self.child.pid)], capture_output=True, text=True).stdout.split()
        pids = [self.child.pid, *map(int, children)]
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        return pids

    def kill(self):
        """All of it at once, as a power cut would."""
        if self.child is None or self.child.poll() is not None:
            return
        pids = self._signal_all(signal.SIGKILL)
        self.child.wait()
        deadline = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            if time.monotonic() > deadline:
                raise TimeoutError("backends of PostgreSQL are still there")
            time.sleep(0.01)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def freeze(self):
        self._signal_all(signal.SIGSTOP)

    def thaw(self):
        self._signal_all(signal.SIGCONT)

    def stop(self):
        if self.child and self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)  # fast shutdown
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        self.child = None

    def remove(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
