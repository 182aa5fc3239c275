"""The table of reasons, its documentation, and the code that uses it, say the same."""
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = (ROOT / "tunnel-proto/outcome_reasons.hpp").read_text()
NOT_SENT = set(re.findall(r'\{"(\w+)", NotSent::', TABLE))
MAYBE_SENT = set(re.findall(r'^    "(\w+)",', TABLE, re.M))


def test_the_documentation_has_every_reason():
    page = (ROOT / "docs/agents.md").read_text()
    assert len(NOT_SENT) > 15 and len(MAYBE_SENT) > 5
    assert {code for code in NOT_SENT | MAYBE_SENT if f"`{code}`" not in page} == set()


def test_what_agent_and_relay_say_is_in_the_table():
    said = set()
    for path in ("agent/forwarder.cpp", "agent/allow_list.cpp", "agent/app_exchange.cpp", "relay/tunnel/session_deliveries.cpp",
                 "relay/tunnel/agent_answer.hpp"):
        said |= set(re.findall(r'(?:not_sent|fail)\(\s*"(\w+)"', (ROOT / path).read_text()))
    assert "not_allowed" in said
    assert said - NOT_SENT == set()
