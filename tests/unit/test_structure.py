"""The shape of the tree as a test: one-way arrows between rooms, and sizes that stay readable."""
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("base", "tunnel-proto", "relay", "agent", "control")

# A room may include itself and what is listed here; nothing points back.
ARROWS = {
    "base": set(),
    "tunnel-proto": {"base"},
    "relay": {"base", "tunnel-proto"},
    "agent": {"base", "tunnel-proto"},
    "control": {"base", "tunnel-proto", "relay"},
}

# Inside relay: lower rooms first. A room includes only those before it, and the model (relay/*.hpp).
RELAY = ["limits", "store", "overload", "retention", "providers", "routing", "replay", "notify", "tunnel", "bus", "destinations",
         "delivery", "ingest"]

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def sources():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *ROOMS], cwd=ROOT, capture_output=True,
                            text=True, check=True).stdout.split()
    return [ROOT / name for name in listed if name.endswith((".cpp", ".hpp")) and (ROOT / name).exists()]


def includes(path):
    return [name for name in INCLUDE.findall(path.read_text()) if "/" in name]


def relay_room(parts):
    return parts[1] if len(parts) > 2 else "model"


def wrong_arrow(path, included):
    here, there = path.relative_to(ROOT).parts, Path(included).parts
    if there[0] not in ROOMS:
        return None if there[0] not in ("tests",) else "the product never includes its tests"
    if there[0] != here[0]:
        return None if there[0] in ARROWS[here[0]] else f"{here[0]} may not include {there[0]}"
    if here[0] == "relay":
        mine, other = relay_room(here), relay_room(there)
        if other not in (mine, "model") and (mine == "model" or RELAY.index(other) > RELAY.index(mine)):
            return f"relay/{mine} may not include relay/{other}"
    return None


def test_includes_follow_the_arrows():
    wrong = []
    for path in sources():
        for included in includes(path):
            reason = wrong_arrow(path, included)
            if reason:
                wrong.append(f"{path.relative_to(ROOT)} includes {included}: {reason}")
    assert wrong == []


@pytest.mark.parametrize("here, included", [
    ("base/x.cpp", "relay/model.hpp"), ("tunnel-proto/x.hpp", "relay/model.hpp"), ("agent/x.cpp", "relay/model.hpp"),
    ("relay/store/x.cpp", "agent/forwarder.hpp"), ("relay/store/x.cpp", "relay/delivery/dispatcher.hpp"),
    ("relay/model.cpp", "relay/store/database.hpp"), ("relay/ingest/x.cpp", "control/settings.hpp")])
def test_the_arrow_check_can_fail(here, included):
    assert wrong_arrow(ROOT / here, included) is not None


def test_files_stay_readable():
    long = {str(p.relative_to(ROOT)): n for p in sources() if (n := len(p.read_text().splitlines())) > 400}
    assert long == {}


def test_headers_start_with_pragma_once():
    assert [str(p) for p in sources() if p.suffix == ".hpp" and not p.read_text().startswith("#pragma once")] == []


DEFINED = re.compile(r"^(?:struct|class|enum class) (\w+)(?: final)?(?: :[^;]*)? *\{", re.M)
NAMESPACE = re.compile(r"^namespace ([\w:]+) \{", re.M)


def defined_twice(headers):
    """Two types of one name in one namespace: the linker takes either one's copying and destroying for both."""
    places = {}
    for path, text in headers:
        for name in DEFINED.findall(text):
            places.setdefault((NAMESPACE.search(text).group(1), name), []).append(path)
    return {key: where for key, where in places.items() if len(where) > 1}


def test_no_type_is_defined_twice():
    assert defined_twice((str(p.relative_to(ROOT)), p.read_text()) for p in sources() if p.suffix == ".hpp") == {}


def test_the_check_for_types_defined_twice_can_fail():
    one = "namespace a::b {\nstruct Same {\n};\n}"
    other = "namespace a::b {\nclass Same final : public X {\n};\n}"
    assert defined_twice([("1", one), ("2", other)]) == {("a::b", "Same"): ["1", "2"]}
    assert defined_twice([("1", one), ("2", other.replace("a::b", "a::c"))]) == {}
