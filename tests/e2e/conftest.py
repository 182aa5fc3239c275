import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from harness.app import App, BlackHole, DeafApp  # noqa: E402
from harness.postgres import Postgres  # noqa: E402
from harness.proxy import Proxy  # noqa: E402
from harness.relay import Agent, Relay  # noqa: E402


ENGINES = ("sqlite", "postgres")


@pytest.fixture(scope="session")
def postgres():
    server = Postgres().start()
    yield server
    server.remove()


def pytest_generate_tests(metafunc):
    """Every test with a relay runs on both engines, unless it says which (@pytest.mark.engine) or --engine does."""
    if "engine" not in metafunc.fixturenames:
        return
    only = metafunc.definition.get_closest_marker("engine")
    asked = metafunc.config.getoption("--engine")
    engines = [e for e in (only.args if only else ENGINES) if asked in ("both", e)]
    metafunc.parametrize("engine", engines, indirect=True)


@pytest.fixture
def engine(request):
    return request.param


@pytest.fixture
def make(tmp_path, engine, request):
    """Starts programs and apps, and ends every one of them after the test."""
    started = []

    class Make:
        directory = tmp_path

        def relay(self, name="relay", **kw):
            if engine == "postgres":
                kw.setdefault("database", request.getfixturevalue("postgres").database())
            relay = Relay(tmp_path / name, **kw)
            started.append(lambda: relay.process and relay.kill())
            return relay.start()

        def node(self, other, name, **kw):
            """Another node of the cluster of `other`."""
            relay = Relay(tmp_path / name, **kw).join_cluster_of(other)
            started.append(lambda: relay.process and relay.kill())
            return relay.start()

        def agent(self, relay, name="agent", allow=(), **kw):
            agent = Agent(tmp_path / name, relay, name, allow, **kw)
            started.append(lambda: agent.process and agent.kill())
            return agent.join()

        def app(self, *args, **kw):
            app = App(*args, **kw)
            started.append(app.close)
            return app

        def closed(self, thing):
            """The same thing, which is closed after the test."""
            started.append(thing.close)
            return thing
        def proxy(self, *args, **kw):
            proxy = Proxy(*args, **kw)
            started.append(proxy.close)
            return proxy

        def black_hole(self):
            hole = BlackHole()
            started.append(hole.close)
            return hole

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


def pytest_configure(config):
    config.addinivalue_line("markers", "engine(*names): the only stores this test runs on")


def pytest_addoption(parser):
    parser.addoption("--engine", choices=("both", "sqlite", "postgres"), default="both", help="the store (default both)")
    parser.addoption("--agents", type=int, default=100, help="agents that come back after the relay's death (default 100)")
    parser.addoption("--cuts", type=int, default=24, help="how often the line to an agent is cut (default 24)")
    parser.addoption("--freeze", type=float, default=15, help="seconds PostgreSQL stands still (default 15)")
    parser.addoption("--ids", type=int, default=250, help="ids that 64 senders race for (default 250)")
    parser.addoption("--kills", type=int, default=100, help="how often the kill test kills the relay (default 100)")
