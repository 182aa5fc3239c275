import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from harness.app import App, DeafApp  # noqa: E402
from harness.relay import Agent, Relay  # noqa: E402


@pytest.fixture
def make(tmp_path):
    """Starts programs and apps, and ends every one of them after the test."""
    started = []

    class Make:
        directory = tmp_path

        def relay(self, name="relay", **kw):
            relay = Relay(tmp_path / name, **kw)
            started.append(lambda: relay.process and relay.kill())
            return relay.start()

        def agent(self, relay, name="agent", allow=()):
            agent = Agent(tmp_path / name, relay, name, allow)
            started.append(lambda: agent.process and agent.kill())
            return agent.join()

        def app(self, *args, **kw):
            app = App(*args, **kw)
            started.append(app.close)
            return app

        def deaf_app(self):
            app = DeafApp()
            started.append(app.close)
            return app

    yield Make()
    for end in reversed(started):
        end()


@pytest.fixture
def relay(make):
    return make.relay()


def pytest_addoption(parser):
    parser.addoption("--kills", type=int, default=100, help="how often the kill test kills the relay (default 100)")
