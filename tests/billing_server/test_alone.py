"""The folder alone, where its requirements are and nothing else, serves."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "billing_server"
USE = """
import sys
from pathlib import Path
from billing_server import database, embedded
from billing_server.ledger import Ledger
engine = database.connect(embedded.start(Path(sys.argv[1]), settings={"fsync": "off"}))
database.migrate(engine)
ledger = Ledger(engine)
ledger.grant(ledger.open_account("customer"), 5, "paid", key="g")
assert ledger.verify().problems == ()
from billing_server import create_app, logs
logs.set_up()
from billing_server.settings import Settings
app = create_app(Settings.read({}, Path(sys.argv[1]).with_name("own")), engine=engine)
parts = app.extensions["services"]
someone = parts.identity.create("somebody@shop.example")
secret, _ = parts.keys.create(someone.account, "key", ["read"])
client = app.test_client()
answer = client.get("/api/v1/balance", headers={"Authorization": f"Bearer {secret}"})
assert answer.json["available"] == "0", answer.text
assert client.get("/sign-in").status_code == 200
assert client.get("/openapi.json").json["openapi"].startswith("3.1")
app.extensions["ticker"].stop()
strangers = {"torch", "numpy", "dressform", "comfy"} & set(sys.modules)
print("alone" if not strangers else strangers)
"""


@pytest.mark.postgres
def test_requirements_alone_suffice(folder, need):
    place = folder()
    place.chmod(0o755)  # whoever runs PostgreSQL must reach its programs
    venv.create(place / "venv", with_pip=True)
    python = place / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    shutil.copytree(PACKAGE, place / "billing_server", ignore=shutil.ignore_patterns("__pycache__"))
    requirements = place / "billing_server" / "requirements.txt"
    install = [python, "-m", "pip", "install", "--quiet", "--requirement", requirements]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode != 0 and "No matching" in done.stderr:
        need("a package index that answers", "Connect to one.")
    assert done.returncode == 0, done.stderr
    command = [python, "-c", USE, place / "server"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "alone", done.stderr
