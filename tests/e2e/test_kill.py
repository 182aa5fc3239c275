"""What was acknowledged is there after kill -9, and it arrives; and a relay that cheats is caught."""
import pytest

from harness import kill_loop
from harness.process import BIN


@pytest.fixture
def server(engine, request):
    return request.getfixturevalue("postgres") if engine == "postgres" else None


def test_nothing_acknowledged_is_lost(tmp_path, request, server):
    report = kill_loop.run(tmp_path, request.config.getoption("--kills"), seed=20, server=server)
    print("\n" + report.summary())
    assert report.lost == []
    assert report.undelivered == []
    assert report.changed == []
    assert report.quick_check == "ok"
    assert len(report.acknowledged) > 10 * report.kills
    slow = [s for s in report.ready_seconds if s > 2]
    assert len(slow) <= len(report.ready_seconds) // 100, slow


def test_the_kill_test_notices_a_relay_that_acknowledges_before_the_commit(tmp_path, server):
    cheat = BIN / "postern-ack-early"
    assert cheat.exists(), "build it: cmake --build --preset release --target postern-ack-early"
    report = kill_loop.run(tmp_path, kills=15, binary=cheat, seed=21, with_agent=False, server=server)
    print("\n" + report.summary())
    assert report.lost != []
