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
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["killed_database"]
    assert result["killed_server"]
    assert result["answers"] > 0
    assert (result["problems"], result["still_held"]) == (0, 0)
