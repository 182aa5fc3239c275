"""Many agents of one relay, in one process."""
import subprocess
import threading

from .process import BIN, Process


def add_agents(relay, count):
    """Restarts the relay with so many more agents, which have joined; what AgentHost takes."""
    relay.stop()
    argv = [BIN / "test_add_agents", relay.data, count, *([relay.database] if relay.database else [])]
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    relay.start()
    return done.stdout.splitlines()


class AgentHost:
    """Holds a session for each of the agents, and answers every delivery with 200."""

    def __init__(self, relay, directory, agents):
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "agents").write_text("\n".join(agents) + "\n")
        guest = relay.api.post("agents", {"name": f"guest-{directory.name}"})
        (directory / "token").write_text(relay.api.post(f"agents/{guest['id']}/enrollment")["join_token"])
        self.ids = [line.split()[0] for line in agents]
        self.process = Process([BIN / "test_agent_host", "--agents", directory / "agents", "--join-file", directory / "token"],
                               directory / "host.log", stdin=subprocess.PIPE)
        self._one = threading.Lock()
        self._asked = 0
        self.process.wait_line("ready")

    def counts(self):
        """connected, sessions and answered, as they are now."""
        with self._one:
            self._asked += 1
            self.process.child.stdin.write(b"\n")
            self.process.child.stdin.flush()
            words = self.process.wait_nth("connected ", self._asked).split()
        return dict(zip(words[::2], map(int, words[1::2])))

    def close(self):
        self.process.kill()
