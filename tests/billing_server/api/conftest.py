"""The server with a simulator, callers with keys, and visitors with cookies."""

import io
import logging
import re
import threading
from uuid import uuid4

import pytest

SECRET = "whsec_of_the_test"
CREDIT = 1_000_000
AT = {"REMOTE_ADDR": "203.0.113.7"}


@pytest.fixture(autouse=True)
def fast_hashes(monkeypatch, server):
    """Passwords of tests need not cost an attacker anything."""
    import argon2
    from dressform.billing_server.identity import people

    cheap = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(people, "_hasher", cheap)


@pytest.fixture(scope="session")
def simulator(server):
    from dressform.billing_server.payments import simulator

    running = simulator.start(secret=SECRET)
    yield running
    running.stop()


@pytest.fixture
def settings(tmp_path):
    from dressform.billing_server.settings import Settings

    return Settings.read({}, tmp_path)._replace(
        ticks=False, public_url="http://shop.example", rate_limit="10000 per minute"
    )


@pytest.fixture
def make_app(engine, clock, simulator, settings):
    from dressform.billing_server import create_app
    from dressform.billing_server.payments import Gateway

    gateway = Gateway("sk_test_1", (SECRET,), base_url=simulator.url, retries=0)

    made = []

    def make(settings=settings, **other):
        given = {"engine": engine, "clock": clock, "gateway": gateway} | other
        made.append(create_app(settings, **given))
        return made[-1]

    yield make
    for app in made:
        app.extensions["services"].hosting.runs.bells.stop()


@pytest.fixture
def app(make_app):
    app = make_app()
    app.testing = False  # errors are answered, as they are to customers
    return app


@pytest.fixture
def parts(app):
    return app.extensions["services"]


@pytest.fixture
def logged():
    """Reads what this process logs while the test runs, as it would be on standard error."""
    import structlog
    from dressform.billing_server import logs

    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    logs.set_up()
    lines = io.StringIO()
    root.handlers[0].setStream(lines)
    yield lines.getvalue
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def own(fresh, make_app):
    """A server with a database that may go away."""
    from dressform.billing_server import database

    url = fresh()
    engine = database.connect(url)
    yield make_app(engine=engine), url
    engine.dispose()


class Caller:
    """Calls with a key; every answer that is no success must be a problem with a sentence."""

    def __init__(self, app, secret, account):
        self.client, self.secret, self.account = app.test_client(), secret, account

    def __call__(self, method, path, body=None, *, key=None, headers=None, **more):
        sent = {"Authorization": f"Bearer {self.secret}", "Idempotency-Key": key or str(uuid4())}
        path = path if path.startswith(("/api", "/m")) else f"/api/v1{path}"
        sent = {name: value for name, value in (sent | (headers or {})).items() if value}
        if body is not None:
            more["json"] = body
        answer = self.client.open(path, method=method, headers=sent, **more)
        assert answer.status_code < 500 or answer.status_code == 503, answer.text
        if answer.status_code >= 400:
            assert answer.mimetype == "application/problem+json", answer.text
            assert answer.json["status"] == answer.status_code
            assert answer.json["detail"].endswith((".", "?"))
            assert answer.json["what_to_do"]
        return answer

    def holds(self, account, rest=""):
        return f"/customers/{account}/holds{rest}"


@pytest.fixture
def caller(app, parts, references):
    """Makes callers: customers of an account of their own, or with the scopes of an operator."""
    from dressform.billing_server.keys import CUSTOMER_SCOPES

    def make(*scopes, account=None):
        account = account or parts.ledger.open_account(next(references))
        secret, _ = parts.keys.create(account, "test", scopes or CUSTOMER_SCOPES)
        return Caller(app, secret, account)

    return make


@pytest.fixture
def customer(caller, parts):
    """A customer with 10 paid credits."""
    made = caller()
    parts.ledger.grant(made.account, 10 * CREDIT, "paid", key="g")
    return made


@pytest.fixture
def meter(caller):
    return caller("meter")


@pytest.fixture
def admin(caller):
    return caller("admin", "meter", "manage", "read", "buy")


@pytest.fixture
def hold(meter, customer, clock):
    """Holds over HTTP; returns the answer."""

    def make(amount=CREDIT, minutes=5, key=None, **what):
        body = {"amount_micro": amount, "expires_at": clock.after(minutes=minutes).isoformat()}
        return meter("POST", meter.holds(customer.account), body | what, key=key)

    return make


class Visitor:
    """Somebody with a browser."""

    def __init__(self, app):
        self.client = app.test_client()

    def get(self, path, **more):
        return self.client.get(path, environ_base=AT, **more)

    def token(self, path="/sign-in"):
        return re.search(r'name="csrf_token" value="(\w+)"', self.get(path).text)[1]

    def post(self, path, form=None, *, token=None, **more):
        data = {"csrf_token": self.token() if token is None else token} | (form or {})
        return self.client.post(path, data=data, environ_base=AT, **more)

    def sign_in(self, email, password):
        return self.post("/sign-in", {"email": email, "password": password})

    @property
    def cookie(self):
        found = self.client.get_cookie("dressform")
        return found.value if found else None


@pytest.fixture
def visitor(app):
    return lambda of=app: Visitor(of)


PASSWORD = "correct horse battery"


@pytest.fixture
def person(parts):
    """Makes people with a password."""

    def make(email=None, **what):
        made = parts.identity.create(email or f"{uuid4().hex[:12]}@shop.example", **what)
        parts.identity.set_password(made, PASSWORD)
        return made

    return make


@pytest.fixture
def mails(settings):
    """Reads what was mailed: a list of (to, text)."""
    from email import message_from_bytes, policy

    def read():
        found = sorted(
            (settings.data / "mails").glob("*.eml"), key=lambda it: it.stat().st_mtime_ns
        )
        made = [message_from_bytes(one.read_bytes(), policy=policy.default) for one in found]
        return [(str(one["To"]), one.get_content()) for one in made]

    return read


@pytest.fixture
def live(app):
    """Serves at a real port; returns its address."""
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
