"""What whoever runs the server relies on: logs, metrics, deadlines, mails, a database that goes."""

import contextlib
import json
import logging
import re
import smtplib
import threading
import time
from uuid import uuid4

import pytest
import sqlalchemy as sa

CREDIT = 1_000_000
PASSWORD = "correct horse battery"


def test_attack_32_logs_tell_no_secrets_and_no_addresses(
    logged, app, customer, visitor, person, mails, parts, monkeypatch
):
    """All come by: keys, passwords, sessions, links, addresses; also where something fails."""
    someone, visit = person(), visitor()
    visit.sign_in(someone.email, PASSWORD)
    visitor().sign_in(someone.email, PASSWORD + "wrong")
    visitor().post("/sign-in/mail", {"email": "to.be.hidden@victim.example"})
    link = re.search(r"token=([\w-]+)", mails()[-1][1])[1]
    visit.get(f"/sign-in/link?token={link}")
    made = customer("POST", "/keys", {"name": "x", "scopes": ["read"]}).json["secret"]
    customer("GET", f"/balance?key={made}")
    customer("POST", "/customers", {"email": someone.email})
    app.test_client().post("/webhooks/stripe", data=b"{}", headers={"Stripe-Signature": "t=1"})

    def fail(*_, **__):
        text = f"{someone.email} {made} {parts.settings.secret_key} sk_test_abc whsec_abc"
        raise RuntimeError(f"{text} postgresql://user:hunter2@host/db?token={link}")

    monkeypatch.setattr(type(parts.ledger), "balance", fail)
    secret = customer.secret
    failed = app.test_client().get("/api/v1/balance", headers={"Authorization": f"Bearer {secret}"})
    assert (failed.status_code, failed.json["code"]) == (500, "internal")
    logging.getLogger("alembic.some").warning("for %s", someone.email)
    text = logged()
    lines = [json.loads(line) for line in text.splitlines()]
    assert len([one for one in lines if one["event"] == "request"]) >= 9
    assert "RuntimeError" in text
    for hidden in (
        someone.email,
        "victim.example",
        PASSWORD,
        visit.cookie,
        link,
        made,
        secret,
        "sk_test_abc",
        "whsec_abc",
        "hunter2",
    ):
        assert hidden not in text, hidden
    assert failed.headers["X-Request-Id"] in failed.json["what_to_do"]
    assert failed.headers["X-Request-Id"] in text


def test_settings_do_not_tell_secrets(settings):
    told = settings._replace(
        stripe_secret_key="sk_live_1", smtp_url="smtp://u:p@h", oidc_client_secret="o"
    )
    assert "sk_live" not in repr(told) + str(told)
    assert told.secret_key not in repr(told)
    assert "u:p" not in f"{told}"


def test_metrics_count_for_the_operator_alone(app, customer, meter):
    assert app.test_client().get("/metrics").status_code == 401
    assert customer("GET", "/metrics").status_code == 403
    text = meter("GET", "/metrics").text
    runs = ("queued_runs", "longest_wait_seconds", "workers")
    books = ("open_holds", "overdue_holds", "unsent_mails", "people", "clock_ahead_seconds")
    for name in (*runs, *books):
        assert re.search(rf"^dressform_{name} [-\d.e+]+$", text, re.MULTILINE), name
    assert 'dressform_request_seconds_count{method="GET",route="/metrics"' in text
    assert customer.secret not in text


def test_database_that_goes_is_waited_for(own, engine):
    app, url = own
    app.testing = False
    parts = app.extensions["services"]
    account = parts.ledger.open_account("x")
    secret, _ = parts.keys.create(account, "k", ["read", "manage", "admin"])
    headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": str(uuid4())}
    client, name = app.test_client(), url.rpartition("/")[2]
    body = {"amount_micro": 5, "kind": "goodwill", "reason": "r"}
    calls = [
        ("GET", "/api/v1/balance", None),
        ("POST", f"/api/v1/customers/{account}/grants", body),
        ("POST", "/api/v1/keys", {"name": "x", "scopes": ["read"]}),
    ]
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
        other.exec_driver_sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        stop = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        other.execute(sa.text(stop), {"name": name})
        for method, path, sent in calls:
            answer = client.open(path, method=method, json=sent, headers=headers)
            assert (answer.status_code, answer.json["code"]) == (503, "unavailable"), answer.text
            assert answer.headers["Retry-After"]
            assert "same key" in answer.json["what_to_do"]
            assert "127.0.0.1" not in answer.text
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        client.set_cookie("dressform", "x" * 43)
        page = client.get("/")
        assert (page.status_code, page.mimetype) == (503, "text/html")
        other.exec_driver_sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert client.get("/readyz").status_code == 200
    for method, path, sent in calls:
        answer = client.open(path, method=method, json=sent, headers=headers)
        assert answer.status_code in (200, 201), answer.text
        headers["Idempotency-Key"] = str(uuid4())
    assert parts.ledger.balance(account).available == 5
    assert parts.ledger.verify().problems == ()


def test_keys_made_at_once_are_no_more_than_allowed(parts, account, monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    from dressform.billing_server.ledger import InvalidError

    monkeypatch.setattr("dressform.billing_server.keys.MAX_KEYS", 2)
    begin = threading.Barrier(8)

    def make(number):
        begin.wait(timeout=30)
        with contextlib.suppress(InvalidError):
            parts.keys.create(account, f"key {number}", ["read"])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(8)))
    assert len(parts.keys.list(account)) == 2


def test_ticker_ends_holds_pays_mails_and_anchors(own, clock, mails, logged):
    from dressform.billing_server.ticker import Ticker

    app, _ = own
    parts = app.extensions["services"]
    person = parts.identity.create("alerted@shop.example")
    parts.ledger.grant(person.account, CREDIT, "paid", key="g")
    from dressform.billing_server.ledger import Budget

    parts.ledger.set_budget(person.account, Budget(per_day=100))
    parts.ledger.hold(person.account, 90, clock.after(minutes=5), key="h")
    clock.advance(minutes=6)
    ticker = Ticker(parts)
    ticker.round()
    assert parts.ledger.balance(person.account)[:2] == (CREDIT, 0)
    told = [text for to, text in mails() if to == "alerted@shop.example"]
    assert len(told) == 2  # 80 % and 90 %
    assert "0.0001 credits" in told[0]
    assert '"event": "anchor"' in logged()
    ticker.round()
    assert len(mails()) == len(told)


def test_work_that_fails_keeps_nobody_from_theirs(own, clock, monkeypatch, logged):
    from dressform.billing_server.ticker import Ticker

    app, _ = own
    parts = app.extensions["services"]
    monkeypatch.setattr(type(parts.ledger), "expire_due", lambda _: 1 / 0)
    done = []
    monkeypatch.setattr(type(parts.payments), "due", lambda _: done.append(1))
    Ticker(parts).round()
    assert done == [1]
    assert "ZeroDivisionError" in logged()


def test_one_process_does_what_is_due(own, monkeypatch):
    from dressform.billing_server import ticker

    app, _ = own
    parts, done = app.extensions["services"], []
    monkeypatch.setattr(type(parts.payments), "due", lambda _: done.append(1))
    with parts.engine.connect() as other:
        other.execute(sa.text("SELECT pg_advisory_xact_lock(:n)"), {"n": ticker.LOCK})
        ticker.Ticker(parts).round()
        assert done == []
    ticker.Ticker(parts).round()
    assert done == [1]


def test_ticker_starts_and_stops_with_its_server(make_app, settings, monkeypatch, eventually):
    from dressform.billing_server import ticker

    monkeypatch.setattr(ticker, "PERIOD_S", 0.01)
    rounds = []
    monkeypatch.setattr(ticker.Ticker, "round", lambda _: rounds.append(1))
    made = make_app(settings._replace(ticks=True)).extensions["ticker"]
    eventually(lambda: len(rounds) > 2)
    made.stop()
    count = len(rounds)
    time.sleep(0.05)
    assert len(rounds) == count


class Post:
    """A mail server, as far as smtplib can tell."""

    def __init__(self, *where, **how):
        self.calls = Post.calls
        self.calls.append(("connect", *where))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def starttls(self, context):
        self.calls.append(("starttls", context.check_hostname))

    def login(self, *who):
        self.calls.append(("login", *who))

    def send_message(self, mail):
        if Post.refuses:
            raise Post.refuses
        self.calls.append(("send", str(mail["To"]), str(mail["Subject"])))


@pytest.fixture
def post(monkeypatch):
    Post.calls, Post.refuses = [], None
    monkeypatch.setattr(smtplib, "SMTP", Post)
    monkeypatch.setattr(smtplib, "SMTP_SSL", Post)
    return Post


def test_mail_goes_out_encrypted(settings, post):
    from dressform.billing_server import mails

    told = settings._replace(smtp_url="smtp://u:p%40ss@mail.example:2525")
    mails.write(told, "a@shop.example", "link", {"link": "x"})
    assert post.calls == [
        ("connect", "mail.example", 2525),
        ("starttls", True),
        ("login", "u", "p@ss"),
        ("send", "a@shop.example", "Sign in to Dressform"),
    ]


def test_mail_server_that_is_away_is_tried_again(own, settings, post, clock):
    from dressform.billing_server import mails

    app, _ = own
    parts = app.extensions["services"]
    parts = parts._replace(settings=settings._replace(smtp_url="smtps://mail.example"))
    person = parts.identity.create("a@shop.example")
    parts.identity.describe(person, name="", language="zh")
    sql = """INSERT INTO ledger.outbox (account_id, topic, key, payload, at)
        VALUES (:a, 'dispute', 'k', '{}', now())"""
    with parts.engine.begin() as connection:
        connection.execute(sa.text(sql), {"a": person.account})
    post.refuses = smtplib.SMTPServerDisconnected("gone")
    with pytest.raises(OSError, match="gone"):
        mails.deliver(parts)
    post.refuses = smtplib.SMTPRecipientsRefused({})
    assert mails.deliver(parts) == 1  # nobody is there: to try again is in vain
    assert mails.deliver(parts) == 0


@pytest.mark.parametrize(
    "topic",
    [
        "link",
        "budget",
        "pay_link",
        "top_up_stopped",
        "top_up_capped",
        "refund_failed",
        "dispute",
        "operator",
        "what_nobody_wrote_words_for",
    ],
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_topic_has_words(settings, post, topic, language):
    from dressform.billing_server import mails
    from dressform.billing_server.identity import Person

    person = Person(1, "a@shop.example", "", 1, False, language)
    told = settings._replace(smtp_url="smtp://localhost")
    mails.write(told, person, topic, {})
    ((_, to, subject),) = [call for call in post.calls if call[0] == "send"]
    assert to == "a@shop.example"
    assert (language == "zh") == any(ord(letter) > 0x2E80 for letter in subject)


def test_topics_of_the_payments_have_words():
    """Each topic that they leave in the outbox, read from their source."""
    import tomllib
    from pathlib import Path

    from dressform.billing_server import mails, payments

    words = tomllib.loads(mails.TEXTS.read_text(encoding="utf-8"))
    source = "".join(
        one.read_text(encoding="utf-8") for one in Path(payments.__file__).parent.glob("*.py")
    )
    topics = set(re.findall(r'_tell\(\s*connection, [\w.]+, "(\w+)"', source))
    assert len(topics) >= 4
    for language in ("en", "zh"):
        assert topics <= set(words[language])


def test_requests_in_parallel_do_not_run_out_of_connections(live, customer):
    """More callers than the pool has connections wait a moment; none fails."""
    import requests

    codes = []

    def work():
        headers = {"Authorization": f"Bearer {customer.secret}"}
        answer = requests.get(f"{live}/api/v1/balance", headers=headers, timeout=60)
        codes.append(answer.status_code)

    threads = [threading.Thread(target=work) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200] * 60


def test_ticker_outlives_a_round_that_fails(make_app, settings, monkeypatch, eventually):
    from dressform.billing_server import ticker

    rounds = []

    def failing(self):
        rounds.append(1)
        raise RuntimeError("out of luck")

    monkeypatch.setattr(ticker, "PERIOD_S", 0.01)
    monkeypatch.setattr(ticker.Ticker, "round", failing)
    app = make_app(settings._replace(ticks=True))
    try:
        eventually(lambda: len(rounds) > 1)
    finally:
        app.extensions["ticker"].stop()
