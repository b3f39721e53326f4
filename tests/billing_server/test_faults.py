"""A few points of bench/ledger_faults.py, which has 200: kill -9, and nothing lost or doubled."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")

SCRIPT = Path(__file__).parents[2] / "bench" / "ledger_faults.py"


@pytest.mark.postgres
def test_killed_database_and_killed_server_lose_and_double_nothing():
    command = [sys.executable, SCRIPT, "--points", "4", "--clients", "10"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    *table, last = done.stdout.splitlines()
    counts = dict(line.split() for line in table)
    assert all(int(counts[name]) for name in ("killed_database", "killed_server", "answers"))
    bars = json.loads(last)["bars"]
    assert {name: bar["value"] for name, bar in bars.items()} == {
        "points": 4,
        "problems": 0,
        "still_held": 0,
    }
    assert all(bar["ok"] for bar in bars.values())
