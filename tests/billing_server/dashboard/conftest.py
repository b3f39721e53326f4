"""The whole server with a simulator, visitors without a browser, and a Chromium."""

import re
import shutil
import socket
import threading
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

SECRET = "whsec_of_the_test"
CREDIT = 1_000_000
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
_numbers = iter(range(10**6))


class Site:
    """A server, what it is made of, and who may visit it."""

    def __init__(self, app, simulator):
        self.app, self.simulator = app, simulator
        self.parts = app.extensions["services"]

    @property
    def ledger(self):
        return self.parts.ledger

    def person(self, *, name="", admin=False, language=""):
        email = f"person{next(_numbers)}@shop.example"
        made = self.parts.identity.create(email, name=name, admin=admin)
        if language:
            self.parts.identity.describe(made, name=name, language=language)
        return self.parts.identity.find(made.id)

    def visit(self, person=None, **headers):
        return Visitor(self, person, headers)

    def run(self, account, ms=3_512, *, held=CREDIT, workflow=None, api_key=None, run=None, **end):
        """Holds and captures, or ends the hold as told; returns the end."""
        number = next(_numbers)
        run, clock = run or f"run-{number}", self.parts.clock
        if workflow:
            self.parts.usage.label(account, run, workflow)
        until = clock() + timedelta(minutes=5)
        key = f"hold-{number}"
        hold = self.ledger.hold(account, held, until, key=key, run=run, api_key=api_key)
        if "release" in end:
            return self.ledger.release(account, hold.seq, key=f"{key}-end", reason=end["release"])
        rate = end.get("rate") or self.rate()
        return self.ledger.capture(account, hold.seq, key=f"{key}-end", rate=rate.id, gpu_ms=ms)

    def rate(self):
        """1,000 micro-credits a GPU second, at least 5, in steps of 0.1 s."""
        known = [one for one in self.ledger.card.rates() if one.gpu_class == "test-gpu"]
        begins = datetime(2026, 1, 1, tzinfo=UTC)
        terms = {"minimum_micro": 5, "step_ms": 100, "valid_from": begins}
        return known[0] if known else self.ledger.card.add("test-gpu", 1000, **terms)


class Visitor:
    """Somebody at the pages, without a browser."""

    def __init__(self, site, person, headers):
        self.site, self.person, self.headers = site, person, headers
        self.client = site.app.test_client()
        if person is not None:
            self.client.set_cookie("dressform", site.parts.identity.sign_in(person))

    def get(self, path):
        return self.client.get(path, headers=self.headers)

    def text(self, path):
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return words_of(answer)

    def token(self):
        path = "/account" if self.person else "/sign-in"
        return re.search(r'name="csrf_token" value="(\w+)"', self.get(path).text)[1]

    def post(self, path, **form):
        form.setdefault("csrf_token", self.token())
        return self.client.post(path, data=form, headers=self.headers)


def words_of(answer):
    """What a page says, without its markup."""
    text = re.sub(r"<script.*?</script>|<[^>]+>", " ", answer.text, flags=re.DOTALL)
    return " ".join(unescape(text).split())


@pytest.fixture
def words():
    return words_of


@pytest.fixture
def make_site(engine, tmp_path, need):
    """Makes a site; with a port, the simulator tells it what was paid."""
    from dressform.billing_server.app import create_app
    from dressform.billing_server.ledger.book import utc_now
    from dressform.billing_server.payments import Gateway, simulator
    from dressform.billing_server.settings import Pack, Settings

    running = []

    def make(port=None, clock=utc_now):
        url = f"http://127.0.0.1:{port or 80}"
        hook = f"{url}/webhooks/stripe" if port else None
        stripe = simulator.start(webhook_url=hook, secret=SECRET)
        running.append(stripe.stop)
        packs = Pack("ten", 10 * CREDIT, 1000, "usd"), Pack("fifty", 52 * CREDIT, 5000, "usd")
        settings = Settings(
            data=tmp_path, secret_key="x" * 32, packs=packs, public_url=url, ticks=bool(port)
        )
        gateway = Gateway("sk_test_1", (SECRET,), base_url=stripe.url)
        app = create_app(settings, engine=engine, clock=clock, gateway=gateway)
        running.append(app.extensions["services"].hosting.runs.bells.stop)
        if port:
            running.append(app.extensions["ticker"].stop)
        return Site(app, stripe)

    yield make
    for stop in reversed(running):
        stop()


@pytest.fixture
def site(make_site, clock):
    return make_site(clock=clock)


@pytest.fixture
def live(make_site):
    """A site that answers at a port."""
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, *what):
            pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        made = make_site(port=port)
        options = {"threaded": True, "request_handler": Quiet, "fd": listening.fileno()}
        server = make_server("127.0.0.1", port, made.app, **options)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{port}"
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


# Not for the whole session: while Playwright runs, no other test can call asyncio.run.
@pytest.fixture(scope="module")
def chromium(need):
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        need("Chromium", "Install it with your system's packages: apt-get install chromium.")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()
