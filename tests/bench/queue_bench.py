"""Whether claiming stays fast: beside a million parked deliveries, and while a snapshot is held for long.

Claims are timed in the server, by running the relay's own statement under EXPLAIN ANALYZE and taking it back.
"""
import re
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from harness.app import App  # noqa: E402
from harness.load import SECRET, Load  # noqa: E402
from harness.process import ROOT  # noqa: E402
from harness.relay import Relay  # noqa: E402

NOBODY = "00000000-0000-7000-8000-000000000001"


def claim_statement():
    """What relay/store/postgres/claims.cpp looks for due deliveries with."""
    source = (ROOT / "relay/store/postgres/claims.cpp").read_text()
    text = re.search(r"kFindDue =(.*?);\n", source, re.S).group(1)
    return "".join(re.findall(r'"(.*?)"', text))


def timed_claim(server, database, limit=100, narrow=False):
    """Milliseconds in the server, and the plan."""
    sql = claim_statement().replace("$1", "9000000000000000").replace("$2", str(limit)).replace("$3", "'{}'").replace("$4", str(int((time.time() - 15) * 1e6) if narrow else 0))
    lines = server.query("SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; "
                         "SET enable_bitmapscan = off; SET enable_sort = off; "
                         f"BEGIN; EXPLAIN (ANALYZE, BUFFERS) {sql}; ROLLBACK", database=database)
    plan = "\n".join(lines)
    return float(re.search(r"Execution Time: ([\d.]+)", plan).group(1)), plan


def percentiles(times):
    ordered = sorted(times)
    at = lambda share: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)
    return {"claims": len(ordered), "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": round(ordered[-1], 2)}


def fill(server, database, state, count, destination, next_at=0):
    server.query(
        "INSERT INTO delivery (row, id, workspace_id, event_row, source_id, destination_id, state, reason, attempt_count, "
        "tries, lease, next_at, created_at, updated_at) SELECT (nextval('delivery_row') << 1), gen_random_uuid(), "
        f"w.id, e.row, '{NOBODY}', '{destination}', {state}, 'bench', 0, 0, 0, {next_at}, 0, 0 FROM "
        f"(SELECT id FROM workspace LIMIT 1) w, (SELECT row FROM event LIMIT 1) e, generate_series(1, {count})",
        database=database)


def some_event(relay, source):
    load, got = None, {}
    load = Load([relay], [source], 50, got, threading.Lock())
    while not got:
        time.sleep(0.05)
    load.stop()


def parked(directory, server, count=1_000_000):
    """Claims of due deliveries with and without so many parked ones of an agent that is away."""
    relay = Relay(directory / "parked", database=server.database()).start()
    database = server.name_of(relay.database)
    some_event(relay, relay.api.source("public", "github", [SECRET]))
    relay.stop()
    fill(server, database, 0, 200, NOBODY)
    server.query("VACUUM ANALYZE", database=database)
    before = [timed_claim(server, database)[0] for _ in range(100)]
    fill(server, database, 2, count, NOBODY[:-1] + "2")
    server.query("VACUUM ANALYZE delivery", database=database)
    after, plan = [], ""
    for _ in range(100):
        took, plan = timed_claim(server, database)
        after.append(took)
    return {"before": percentiles(before), f"with_{count}_parked": percentiles(after)}, plan


def snapshot(directory, server, seconds=600, rate=300):
    """Claims while one transaction looks at the database as it was; every delivery fails once, so that each is claimed."""
    relay = Relay(directory / "snapshot", database=server.database(), env={"POSTERN_LOG_LEVEL": "error"}).start()
    database = server.name_of(relay.database)
    seen = set()

    def fail_once(received):
        event = received.headers.get("postern-event-id")
        first = event not in seen
        seen.add(event)
        return 422 if first else 200

    app = App(fail_once)
    source = relay.api.source("public", "github", [SECRET])
    breaker = {"enabled": False}
    relay.api.route(source, relay.api.destination("app", "http", app.url, retry_schedule=["0", "1s"], breaker=breaker))
    acknowledged = {}
    holder = threading.Thread(target=server.query, args=(
        f"BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM delivery; SELECT pg_sleep({seconds}); COMMIT", database))
    load = Load([relay], [source], rate, acknowledged, threading.Lock())
    time.sleep(2)
    holder.start()
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        times.append(timed_claim(server, database, narrow=True)[0])  # 59 of 60 claims look back a little only
        time.sleep(1)
    load.stop()
    whole = timed_claim(server, database)[0]
    dead = server.query("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'delivery'", database=database)
    holder.join()
    relay.kill()
    app.close()
    return {**percentiles(times), "seconds": seconds, "events": len(acknowledged), "delivered_per_second":
            round(len(acknowledged) / (seconds + 2)), "dead_rows_at_the_end": int(dead[0]), "whole_ms_at_the_end": whole}
