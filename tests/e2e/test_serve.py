"""`postern serve` as an operator meets it."""
import os
import stat
import subprocess

import pytest

from harness import http
from harness.process import BIN, Exited, Process
from harness.relay import Relay


def run(*argv, env=None, timeout=30):
    merged = {k: v for k, v in os.environ.items() if not k.startswith("POSTERN_")}
    merged.update(env or {})
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=timeout, env=merged)


def test_first_start_makes_everything_with_tight_modes(relay):
    assert stat.S_IMODE(relay.data.stat().st_mode) == 0o700
    assert stat.S_IMODE((relay.data / "admin.key").stat().st_mode) == 0o600
    for file in relay.data.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file


def test_a_second_process_on_the_same_directory_is_refused(relay):
    second = run(BIN / "postern", "serve", "--data-dir", relay.data, "--ingest-listen", "127.0.0.1:0",
                 "--tunnel-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
    assert second.returncode != 0
    assert str(relay.process.pid) in second.stderr
    assert relay.process.alive()


def test_health_and_metrics(relay):
    for path in ("/health", "/health/live", "/health/ready"):
        assert http.send("GET", relay.admin + path).status == 200
    metrics = http.send("GET", relay.admin + "/metrics")
    assert metrics.status == 200 and b"postern_" in metrics.body


def test_the_api_wants_a_key(relay):
    assert http.send("GET", relay.admin + "/api/v1/sources").status == 401
    assert http.send("GET", relay.admin + "/api/v1/sources", {"Authorization": "Bearer pk_wrong"}).status == 401
    problem = http.send("GET", relay.admin + "/api/v1/sources")
    assert problem.headers["Content-Type"].startswith("application/problem+json")


def test_unknown_settings_name_the_nearest(tmp_path):
    config = tmp_path / "relay.toml"
    config.write_text('[ingest]\nlisen = "127.0.0.1:0"\n')
    checked = run(BIN / "postern", "check-config", "--config", config)
    assert checked.returncode != 0
    assert "ingest.listen" in checked.stderr


def test_the_command_line_works_from_the_data_directory(relay, make):
    app = make.app()
    cli = [BIN / "postern"]
    where = ["--data-dir", relay.data]
    assert run(*cli, "sources", "list", *where).returncode == 0
    enrolled = run(*cli, "agents", "enroll", "cellar", *where)
    assert enrolled.returncode == 0, enrolled.stderr
    assert "postern-agent join" in enrolled.stdout
    as_json = run(*cli, "agents", "list", "--json", *where)
    assert "cellar" in as_json.stdout
    help_text = run(*cli, "--help")
    assert help_text.returncode == 0 and "serve" in help_text.stdout


def test_secrets_stay_out_of_logs_and_files(relay):
    secret = "a-very-recognisable-secret-value-42"
    relay.api.source("secretive", "github", [secret])
    assert secret not in relay.log()
    for file in relay.data.rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file
    assert secret not in str(relay.api.items("sources"))
    assert relay.key.encode() not in b"".join(
        f.read_bytes() for f in relay.data.rglob("*") if f.is_file() and f.name != "admin.key")


def test_restart_keeps_everything(make):
    relay = make.relay()
    source = relay.api.source("kept", "github", ["a github secret of some length"])
    assert relay.stop() == 0
    relay.start()
    assert relay.api.get(f"sources/{source['id']}")["name"] == "kept"
