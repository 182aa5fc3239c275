"""Plants bugs in a copy of the sources, one at a time, and shows that the simulation finds each (those of a share or a budget: that the
unit tests in virtual time do). Prints what was found with its seed, which `simulate_tunnel --first SEED --seeds 1` runs again in that copy.

usage: tests/simulation/mutants.py [--tree DIR] [--only WORDS]

DIR: a copy with a configured build/release, whose sources are changed and changed back; without it one is made in a temporary directory.
Ends with 1 when a bug was missed, or something was found where none is. A crash or a hang is not a find: what was broken is to be named. Takes some minutes: each bug is a build, and up to 10,000 seeds.
"""
import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# What is planted, where, and what is replaced by what.
MUTANTS = [
    ("a delivery that is under way is called again", "agent/call_book.hpp",
     "if (found != calls_.end() && (", "if (false && found != calls_.end() && ("),
    ("what came of a call is not kept", "agent/call_book.hpp",
     "results_.keep(call->head().delivery_id, {call->attempt(), head, body});",
     "if (head.status == 999) results_.keep(call->head().delivery_id, {call->attempt(), head, body});"),
    ("what is kept answers its own attempt only", "agent/journal.cpp",
     "return outcome == tunnel::ResultOutcome::delivered && attempt > head.answered;",
     "return outcome == tunnel::ResultOutcome::delivered && attempt > head.answered && head.attempt == 0;"),
    ("a request that was overtaken calls the app", "agent/call_book.hpp", " || results_.is_overtaken(head)", ""),
    ("a torn end of the journal is believed", "agent/journal.cpp",
     "if (checksum(payload) != read_u32(rest.substr(5))) break;", ""),
    ("the relay acknowledges a time-out of its own", "relay/tunnel/agent_answer.cpp",
     "agent.journal && answer.told &&", "agent.journal &&"),
    ("a byte more than the window is sent", "tunnel-proto/flow.hpp",
     "return limit_ - sent_; }", "return limit_ - sent_ + 1; }"),
    ("bytes are not counted against the session", "tunnel-proto/outgoing.cpp", "  session_.sent(size);\n", ""),
    ("a delivery that has ended gives no credit back", "tunnel-proto/session.cpp",
     "outgoing_.credit(++credit_)", "outgoing_.credit(credit_)"),
    ("what is sorted does not open the session's window", "tunnel-proto/session_receive.cpp",
     "  sorted(item.bytes.size());\n", "  if (piece_stream_ == 0) sorted(item.bytes.size());\n"),
    ("a peer may send past what it was promised", "tunnel-proto/flow.hpp",
     "if (bytes > limit_ - received_) return false;", "if (bytes > limit_ - received_) return true;", "HostilePeer.*"),
    ("what a dead relay had leased stays leased", "tests/simulation/relay_process.cpp", "  log_->recover();\n", ""),
    ("an outcome is acknowledged though its lease was lost", "relay/delivery/core_outcomes.cpp",
     "if (lost == 0) tell_committed(*recording);", "tell_committed(*recording);"),
    ("an outcome is acknowledged before it is recorded", "relay/delivery/core_outcomes.cpp",
     "recording_->committed.push_back(std::move(finished.result.committed));", "finished.result.committed();"),
    ("an attempt that does not count has no number", "relay/delivery/core_outcomes.cpp",
     "attempt.number = ticket.tries + 1;", "attempt.number = ticket.attempt_count + 1;"),
    ("what was claimed before a loss of leases is tried", "relay/delivery/core_leases.cpp",
     "if (losses == losses_) return", "if (losses <= losses_) return"),
    ("what waits is kept when the leases are lost", "relay/delivery/core_leases.cpp",
     "const auto waiting = queue->give_up();", "const std::vector<LeasedDelivery> waiting;"),
    ("a hand-over outlives its leases", "relay/delivery/core_claims.cpp",
     "const std::uint64_t term = delivery.term;", "const std::uint64_t term = losses_;"),
    ("an append leases under the number it began with", "tests/simulation/event_log.cpp", "  it->node = node_;\n", ""),
    ("a loss is told before there is a new number", "tests/simulation/event_log.cpp",
     "  node_ = store_.join();\n  intake_->leases_lost();\n",
     "  intake_->leases_lost();\n  machine_.after(some_time(), [self = shared_from_this()] { self->node_ = self->store_.join(); });\n"),
    ("a suspect that waits for its turn outlives its lease", "relay/delivery/core_leases.cpp",
     "  for (const Launch& it : suspects_.give_up()) put_back(it);\n", ""),
    ("a suspect that was marked outlives its lease", "relay/delivery/core_suspects.cpp",
     "if (it.losses == losses_) held", "if (it.losses <= losses_) held"),
    ("a lease is given back twice", "relay/delivery/core_outcomes.cpp",
     "  desk_.release(recording->ends);\n", "  desk_.release(recording->ends);\n  desk_.release(recording->ends);\n"),
    ("a claim that failed keeps its room", "relay/delivery/core_claims.cpp",
     "return desk_.unreserve(queue.id(), granted);", "return;"),
    ("the next in order does not wait for one that comes again", "relay/delivery/core_outcomes.cpp",
     "leave_line(queue, ticket.order_key, is_terminal(verdict.next));", "leave_line(queue, ticket.order_key, true);"),
    ("a destination has a place too many", "relay/delivery/destination_queue.cpp",
     "return in_flight_ < window();", "return in_flight_ <= window();"),
    ("what was parked does not go on when the agent returns", "relay/delivery/core_places.cpp",
     "} else if (!stopped && !is_running(queue.mode())) {", "} else if (!stopped && queue.retired) {"),
    ("the sweep does not look for what is due", "relay/delivery/core_turn.cpp",
     "  pump_due();\n  report_depths();\n", "  report_depths();\n"),
    ("the clock of schedules follows the wall back", "base/clock.cpp",
     "return from_micros(steady + std::max(ahead, most));", "return from_micros(steady + ahead);"),
    ("what goes back is due by a clock that was ahead", "relay/delivery/core_leases.cpp",
     "delivery.delivery.next_at = std::min(delivery.delivery.next_at, parts_.clock.now());", ""),
    ("a stream stays first as long as it can send", "tunnel-proto/fair_queue.cpp",
     "if (again) target.ready.push_back(stream);", "if (again) target.ready.push_front(stream);"),
    ("a target stays first as long as it can send", "tunnel-proto/fair_queue.cpp",
     "} else if (target.deficit > 0) {", "} else if (target.deficit > -1'000'000'000) {"),
    ("a target that comes back is first each time", "tunnel-proto/fair_queue.cpp",
     "if (was_fresh && !old_.empty()) {", "if (false && was_fresh) {", "FairQueueTest.*"),
    ("windows grow without the process's budget", "tunnel-proto/window_budget.cpp",
     "(shared_ && !shared_->take(more))", "false", "WindowBudget.*:SessionPath.*Budget*"),
    ("an unread stream holds back the session's window", "tunnel-proto/session_receive.cpp",
     "  sorted(item.bytes.size());\n", "  if (buffered_ < 500'000) sorted(item.bytes.size());\n", "SessionPath.*:Session.*"),
    ("a stream's window never opens again", "tunnel-proto/session.cpp", "  if (!window.due()) return;\n", "  return;\n"),
]


def build(tree, target):
    command = ["cmake", "--build", tree / "build/release", "--target", target]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])


def run(command, time_out):
    """Its exit code and what it said. Of one that does not end: no code."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=time_out)
    except subprocess.TimeoutExpired:
        return None, f"it did not end within {time_out} s", ""
    return done.returncode, done.stdout, done.stderr


def unit(tree, tests):
    """Whether a test failed, as tests do, and which."""
    code, said, _ = run([tree / "build/release/bin/unit_tunnel", "--gtest_filter=" + tests], 300)
    failed = [line for line in said.splitlines() if line.startswith("[  FAILED  ]")]
    return code == 1 and bool(failed), (failed or [f"exit code {code}: {said[-300:]}"])[0]


def simulate(tree, seeds):
    """Whether a seed was found that breaks a rule, and which; one that crashes or hangs breaks none that is written down."""
    code, said, errors = run([tree / "build/release/bin/simulate_tunnel", "--seeds", str(seeds)], 1800)
    lines = said.strip().splitlines() or [""]
    if code == 1 and lines[0].startswith("seed "):
        return True, lines[0]
    return False, lines[0] if code == 0 else f"exit code {code}: {said[-300:]}{errors[-300:]}"


def copied(directory):
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, directory / name)
    subprocess.run(["cmake", "--preset", "release"], cwd=directory, check=True, stdout=subprocess.DEVNULL)
    return directory


def try_all(tree, only):
    missed = []
    for name, file, old, new, *tests in MUTANTS:
        if only not in name:
            continue
        path = tree / file
        whole = path.read_text()
        assert whole.count(old) == 1, f"{file} has {whole.count(old)} times: {old}"
        path.write_text(whole.replace(old, new))
        try:
            build(tree, "unit_tunnel" if tests else "simulate_tunnel")
            found, said = unit(tree, tests[0]) if tests else simulate(tree, 10_000)
        finally:
            path.write_text(whole)
        print(f"{'found ' if found else 'MISSED'}  {name}\n        {said}", flush=True)
        if not found:
            missed.append(name)
    build(tree, "simulate_tunnel")
    _, said = simulate(tree, 500)
    print(f"without any: {said}")
    return bool(missed) or said != "500 seeds held"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tree", type=Path)
    options.add_argument("--only", default="", help="those with these words in their name")
    given = options.parse_args()
    if given.tree:
        sys.exit(1 if try_all(given.tree.resolve(), given.only) else 0)
    with tempfile.TemporaryDirectory() as directory:
        sys.exit(1 if try_all(copied(Path(directory)), given.only) else 0)


if __name__ == "__main__":
    main()
