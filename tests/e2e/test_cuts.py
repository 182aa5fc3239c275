"""The real relay and real agents, and a network between them that is cut in every way there is."""
import random

import pytest

from harness import cuts, netns
from harness.fault_proxy import FaultProxy

NOTICED = 25.5  # promised: 25 s of silence; the rest is for a busy machine's timers and the log
BACK = 5.0


def check(report, capsys):
    with capsys.disabled():
        print("\n" + report.table())
    assert not report.undelivered and not report.changed and not report.unfinished, report.table()
    assert not report.repeated, report.repeated
    assert report.noticed_most() <= NOTICED
    assert report.back_p95() <= BACK


@pytest.mark.engine("sqlite")
def test_a_line_is_cut_in_every_way(relay, make, request, capsys):
    """Every line has its own agent, app and proxy; all are cut at once. --cuts says how often together."""
    count, wide = request.config.getoption("--cuts"), 8
    chance = random.Random()
    lines = []
    for number in range(wide):
        app = make.app(cuts.slow_app(number))
        agent = make.agent(relay, f"agent-{number}", allow=[app.address])
        proxy = make.closed(FaultProxy(agent.relay.tunnel.removeprefix("tls://")))
        agent.dial_by(proxy.address)
        lines.append(cuts.Line(relay, agent, app, cuts.ProxyWire(proxy)))
    kinds = cuts.plan(lines[0].wire, count, chance)
    check(cuts.run(relay, lines, [kinds[n::wide] for n in range(wide)], rate=160), capsys)


@pytest.mark.engine("sqlite")
@pytest.mark.skipif(netns.why_not() is not None, reason=str(netns.why_not()))
def test_a_cable_between_two_namespaces(make, request, capsys):
    """The agent in a namespace of its own, joined to the relay's by a veth pair that is taken down."""
    space = make.closed(netns.Namespace())
    relay = make.relay(tunnel_host=space.line.near_address)
    app = make.app(cuts.slow_app(1), host=space.yard.near_address)
    agent = make.agent(relay, allow=[app.address], prefix=space.prefix)
    line = cuts.Line(relay, agent, app, cuts.CableWire(space.line))
    count = max(3, request.config.getoption("--cuts") // 20)
    check(cuts.run(relay, [line], [cuts.plan(line.wire, count, random.Random())], rate=20), capsys)
