"""Files in a folder and in a bucket: the same tests, and a store that can be taken away."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.append(str(Path(__file__).parent))  # modules of no package
from assets_bucket import serving

RUNS = Path(__file__).parents[1] / "runs" / "conftest.py"


def _of_runs():
    spec = importlib.util.spec_from_file_location("conftest_of_runs", RUNS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_runs = _of_runs()
gpu_class, runs, worker, customer = _runs.gpu_class, _runs.runs, _runs.worker, _runs.customer
no_hold_left, simulator, make_app = _runs.no_hold_left, _runs.simulator, _runs.make_app
app, parts, caller, live = _runs.app, _runs.parts, _runs.caller, _runs.live
machine, paying = _runs.machine, _runs.paying


@pytest.fixture(scope="session")
def bucket(need):
    for name in ("boto3", "moto"):
        if importlib.util.find_spec(name) is None:
            need(name, "Run: pip install boto3 'moto[s3,server]'")
    with serving() as made:
        yield made


@pytest.fixture(params=["folder", "s3"])
def kind(request):
    return request.param


@pytest.fixture
def settings(tmp_path, kind, request):
    from dressform.billing_server.settings import Settings

    made = Settings.read({}, tmp_path)._replace(
        ticks=False, public_url="http://shop.example", rate_limit="10000 per minute"
    )
    if kind == "folder":
        return made
    bucket = request.getfixturevalue("bucket")
    return made._replace(asset_store=bucket.prefix(), asset_store_endpoint=bucket.url)


@pytest.fixture
def hosted(app, runs, settings, kind, request):
    """The parts of the application that serves, what its store holds, and a way to take it away."""
    made = app.extensions["services"].hosting
    root = settings.data / "assets"

    def held():
        if kind == "folder":
            return [one for one in root.rglob("*") if one.is_file()]
        return request.getfixturevalue("bucket").keys(settings.asset_store)

    def away():
        if kind == "s3":
            request.getfixturevalue("bucket").stop()
        else:
            root.mkdir(exist_ok=True)
            root.rename(root.with_name("gone"))
            root.write_text("")

    def back():
        if kind == "s3":
            request.getfixturevalue("bucket").start()
        else:
            root.unlink()
            root.with_name("gone").rename(root)

    ways = {"root": root, "held": held, "away": away, "back": back, "due": made.due}
    yield SimpleNamespace(**made._asdict(), **ways)
    made.runs.bells.stop()


@pytest.fixture
def shop(caller, machine, parts):
    """A customer with credits, over HTTP."""
    machine("idle")
    made = caller("run", "read")
    parts.ledger.grant(made.account, 400_000_000, "paid", key="g")

    def call(method, path, body=None, **more):
        return made(method, f"/api/v2{path}", body, **more)

    call.account, call.secret, call.client = made.account, made.secret, made.client
    return call


@pytest.fixture
def meanwhile(engine):
    """Does something in another transaction, once, before a statement that begins so."""
    import sqlalchemy as sa

    waiting = []

    def listen(_connection, _cursor, statement, *_):
        if waiting and statement.startswith(waiting[0][0]):
            _, sql, values = waiting.pop()
            with engine.begin() as other:
                other.execute(sa.text(sql), values)

    sa.event.listen(engine, "before_cursor_execute", listen)
    yield lambda begin, sql, **values: waiting.append((begin, sql, values))
    sa.event.remove(engine, "before_cursor_execute", listen)
    assert waiting == []
