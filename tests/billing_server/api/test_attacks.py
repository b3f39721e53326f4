"""Attacks on calls, by their number in the list of attacks."""

import hashlib
import hmac
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
import requests
import sqlalchemy as sa

CREDIT = 1_000_000

pytestmark = pytest.mark.usefixtures("clean")


def submit(live, caller, account, amount, until, key=None):
    headers = {"Authorization": f"Bearer {caller.secret}", "Idempotency-Key": key or str(uuid4())}
    body = {"amount_micro": amount, "expires_at": until.isoformat()}
    url = f"{live}/api/v1/customers/{account}/holds"
    return requests.post(url, json=body, headers=headers, timeout=60)


def parallel(count, work):
    """Does the same at the same moment, so often; returns all results."""
    start = threading.Barrier(count)

    def one(number):
        start.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_attack_19_things_of_others_are_not_found(customer, caller, parts):
    other = caller()
    key = customer("POST", "/keys", {"name": "mine", "scopes": ["read"]}).json["id"]
    order = customer("POST", "/checkouts", {"pack": "starter"}).json["order"]
    for method, path, body in (
        ("POST", f"/keys/{key}/rotate", None),
        ("DELETE", f"/keys/{key}", None),
        ("GET", f"/checkouts/{order}", None),
        ("POST", f"/purchases/{order}/refunds", {"amount_micro": 1}),
        ("PUT", "/budgets", {"api_key": str(key), "per_day_micro": 0}),
    ):
        assert other(method, path, body).status_code == 404, path
    for method, path, body in (
        ("GET", f"/customers/{customer.account}/balance", None),
        ("GET", f"/customers/{customer.account}/statement", None),
        ("POST", f"/customers/{customer.account}/holds/2/release", {}),
        ("GET", "/customers", None),
    ):
        assert other(method, path, body).status_code == 403, path
    assert other("GET", "/keys").json["keys"][0]["name"] == "test"
    assert other("GET", "/purchases").json["purchases"] == []
    assert [one.revoked_at for one in parts.keys.list(customer.account)] == [None, None]


def test_attack_19_a_key_gives_no_more_than_it_has(caller, parts):
    owner = caller("manage", "read")
    _, strong = parts.keys.create(owner.account, "strong", ["admin"])
    for scope in ("admin", "meter", "buy"):
        refused = owner("POST", "/keys", {"name": "x", "scopes": ["read", scope]})
        assert (refused.status_code, refused.json["code"]) == (403, "scope")
    assert owner("POST", f"/keys/{strong.id}/rotate").status_code == 403
    assert owner("POST", "/keys", {"name": "x", "scopes": ["read"]}).status_code == 201


def test_attack_20_one_of_50_parallel_submits_wins(live, parts, caller, meter, clock):
    account = caller().account
    parts.ledger.grant(account, CREDIT, "paid", key="g")
    until = clock.after(minutes=5)
    answers = parallel(50, lambda _: submit(live, meter, account, CREDIT, until))
    codes = sorted(one.status_code for one in answers)
    assert codes == [201, *[402] * 49]
    assert {one.json()["code"] for one in answers if one.status_code == 402} == {
        "insufficient_credits"
    }
    assert parts.ledger.balance(account)[:2] == (0, CREDIT)


def test_attack_20_one_submit_sent_20_times_at_once_is_one(live, parts, customer, meter, clock):
    until = clock.after(minutes=5)
    work = lambda _: submit(live, meter, customer.account, 100, until, key="same")  # noqa: E731
    answers = parallel(20, work)
    assert {one.status_code for one in answers} == {201}
    assert len({one.text for one in answers}) == 1
    assert parts.ledger.balance(customer.account).held == 100


def test_attack_21_same_key_same_body_is_done_once(customer, hold, parts):
    assert hold(100, key="k").json == hold(100, key="k").json
    assert parts.ledger.balance(customer.account).held == 100


def test_attack_21_same_key_other_body_is_refused(customer, hold, parts):
    hold(100, key="k")
    refused = hold(101, key="k")
    assert (refused.status_code, refused.json["code"]) == (409, "key_reused")
    assert parts.ledger.balance(customer.account).held == 100


def test_attack_21_same_key_other_workflow_is_refused(customer, hold, parts):
    assert hold(100, key="k", workflow="a.json").status_code == 422
    hold(100, key="k", run="run-1", workflow="a.json")
    assert hold(100, key="k", run="run-1", workflow="b.json").status_code == 409
    assert hold(100, key="k", run="run-1", workflow="a.json").status_code == 201
    assert parts.ledger.balance(customer.account).held == 100


def test_attack_21_same_key_of_another_user_is_theirs(customer, caller, parts):
    first = customer("POST", "/keys", {"name": "a", "scopes": ["read"]}, key="k")
    other = caller()
    second = other("POST", "/keys", {"name": "b", "scopes": ["read"]}, key="k")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json["secret"] != second.json["secret"]


def test_attack_21_key_of_a_call_is_no_key_of_ours(customer, meter, parts, clock):
    """A caller who guesses the key of a purchase's grant must not be able to block it."""
    body = {"amount_micro": 1, "expires_at": clock.after(minutes=1).isoformat()}
    meter("POST", meter.holds(customer.account), body, key="order-17")
    made = parts.ledger.grant(customer.account, 5, "paid", key="order-17")
    assert made.kind == "grant"


def test_attack_21_answer_with_a_secret_is_given_again_and_sealed(customer, engine, parts):
    body = {"name": "laptop", "scopes": ["read"]}
    first = customer("POST", "/keys", body, key="k")
    assert customer("POST", "/keys", body, key="k").json == first.json
    assert customer("POST", "/keys", body | {"name": "x"}, key="k").json["code"] == "key_reused"
    assert len(parts.keys.list(customer.account)) == 2
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT * FROM identity.answer")).all()
        rows += connection.execute(sa.text("SELECT * FROM identity.api_key")).all()
    assert first.json["secret"] not in str(rows)


def test_attack_21_answer_is_forgotten_after_a_day(customer, clock):
    body = {"name": "laptop", "scopes": ["read"]}
    first = customer("POST", "/keys", body, key="k").json
    clock.advance(days=1)
    assert customer("POST", "/keys", body, key="k").json["id"] != first["id"]


def test_attack_21_call_under_way_is_not_begun_again(customer, parts, monkeypatch, clock):
    from dressform.billing_server.keys import Keys

    body, create, seen = {"name": "laptop", "scopes": ["read"]}, Keys.create, []

    def slow(self, *what):
        if not seen:
            seen.append(None)
            seen[0] = customer("POST", "/keys", body, key="k")
        return create(self, *what)

    monkeypatch.setattr(Keys, "create", slow)
    assert customer("POST", "/keys", body, key="k").status_code == 201
    assert (seen[0].status_code, seen[0].json["code"]) == (409, "in_progress")
    assert seen[0].headers["Retry-After"]
    assert len(parts.keys.list(customer.account)) == 2


def test_attack_21_call_whose_server_died_can_be_repeated(customer, monkeypatch, clock):
    from dressform.billing_server.api import calls

    body = {"name": "laptop", "scopes": ["read"]}
    with monkeypatch.context() as broken:
        broken.setattr(calls, "_KEEP", "SELECT")  # killed before the answer was kept
        customer("POST", "/keys", body, key="k")
    assert customer("POST", "/keys", body, key="k").json["code"] == "in_progress"
    clock.advance(minutes=2)
    assert customer("POST", "/keys", body, key="k").status_code == 201


@pytest.mark.parametrize("first", ["capture", "release", "lapse"])
@pytest.mark.parametrize("second", ["capture", "release", "extend"])
def test_attack_22_cancel_after_the_end_is_refused(
    meter, customer, hold, rate, parts, clock, first, second
):
    seq = hold(CREDIT).json["seq"]
    bodies = {"capture": {"rate": rate.id, "gpu_ms": 1}, "extend": {"amount_micro": 1}}
    path = meter.holds(customer.account, f"/{seq}")
    if first == "lapse":
        clock.advance(minutes=5)
        parts.ledger.expire_due()
    else:
        assert meter("POST", f"{path}/{first}", bodies.get(first, {})).status_code == 201
    before = parts.ledger.balance(customer.account)
    refused = meter("POST", f"{path}/{second}", bodies.get(second, {}))
    assert (refused.status_code, refused.json["code"]) == (409, "ended")
    assert parts.ledger.balance(customer.account) == before


def test_attack_22_cancel_races_finish_and_one_wins(live, meter, customer, hold, rate, parts):
    for _ in range(5):
        path = f"{live}/api/v1" + meter.holds(customer.account, f"/{hold(100).json['seq']}")
        calls = (("release", {}), ("capture", {"rate": rate.id, "gpu_ms": 1}))

        def end(number, calls=calls, path=path):
            name, body = calls[number % 2]
            headers = {"Authorization": f"Bearer {meter.secret}", "Idempotency-Key": str(uuid4())}
            return requests.post(f"{path}/{name}", json=body, headers=headers, timeout=60)

        assert sorted(one.status_code for one in parallel(4, end)) == [201, 409, 409, 409]
    assert parts.ledger.balance(customer.account).held == 0


def signed(body, by="whsec_of_the_test", at=None):
    at = at or int(time.time())
    mac = hmac.new(by.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={at},v1={mac}"}


def test_attack_23_webhook_is_believed_by_its_signature_alone(app, monkeypatch, parts):
    event = {"object": "event", "type": "customer.created", "created": 1, "data": {"object": {}}}
    event |= {"id": f"evt_{uuid4().hex}", "livemode": False, "api_version": "x"}
    body, live = json.dumps(event).encode(), json.dumps(event | {"livemode": True}).encode()
    old = int(time.time()) - 301

    def post(body, headers):
        return app.test_client().post("/webhooks/stripe", data=body, headers=headers)

    for sent, headers in (
        (body, {}),
        (body, {"Stripe-Signature": "x"}),
        (body, signed(body, "whsec_other")),
        (body + b" ", signed(body)),
        (body, signed(body, at=old)),
        (live, signed(live)),
        (b"{", signed(b"{")),
    ):
        refused = post(sent, headers)
        assert refused.status_code == 400, refused.text
        assert refused.json["what_to_do"]
    assert post(body, signed(body)).status_code == 200
    monkeypatch.setattr(type(parts.payments), "receive", lambda *_: 1 / 0)
    assert post(body, signed(body)).status_code == 500  # Stripe sends it again


@pytest.mark.parametrize("gpu_ms", [-1, 10**12, 10**30, 1.5, "1", None, True])
def test_attack_27_absurd_time_of_a_worker_is_refused(meter, customer, hold, rate, gpu_ms, parts):
    path = meter.holds(customer.account, f"/{hold(CREDIT).json['seq']}/capture")
    refused = meter("POST", path, {"rate": rate.id, "gpu_ms": gpu_ms})
    assert refused.status_code == 422
    assert "gpu_ms" in refused.json["detail"]
    assert parts.ledger.balance(customer.account).held == CREDIT


def test_attack_27_huge_time_of_a_worker_costs_what_is_held(meter, customer, hold, rate, parts):
    path = meter.holds(customer.account, f"/{hold(CREDIT).json['seq']}/capture")
    captured = meter("POST", path, {"rate": rate.id, "gpu_ms": 30 * 24 * 3600 * 1000})
    assert captured.json["amount"] == "1"
    assert parts.ledger.balance(customer.account).available == 9 * CREDIT


def test_attack_27_replayed_settle_costs_once(meter, customer, hold, rate, parts):
    path = meter.holds(customer.account, f"/{hold(CREDIT).json['seq']}/capture")
    body = {"rate": rate.id, "gpu_ms": 1000}
    answers = [meter("POST", path, body, key="settle") for _ in range(3)]
    assert len({one.text for one in answers}) == 1
    assert meter("POST", path, body | {"gpu_ms": 1}, key="settle").json["code"] == "key_reused"
    assert parts.ledger.balance(customer.account).available == 10 * CREDIT - 1000


def test_attack_27_settle_of_a_stale_attempt_costs_nothing(
    meter, customer, hold, rate, parts, clock
):
    stale = hold(CREDIT, run="run-1").json["seq"]
    clock.advance(minutes=5)
    parts.ledger.expire_due()
    fresh = hold(CREDIT, run="run-1").json["seq"]
    body = {"rate": rate.id, "gpu_ms": 1000}
    late = meter("POST", meter.holds(customer.account, f"/{stale}/capture"), body)
    assert late.json["code"] == "ended"
    assert meter("POST", meter.holds(customer.account, f"/{fresh}/capture"), body).status_code < 300
    assert parts.ledger.balance(customer.account).available == 10 * CREDIT - 1000


@pytest.mark.parametrize("days", [-30, -1, 1, 400])
def test_attack_28_clock_that_jumps_loses_nothing(customer, meter, hold, rate, parts, clock, days):
    """No call fails, and whatever was held is captured or comes back."""
    first = hold(CREDIT, key="k", minutes=5)
    again = {"amount_micro": CREDIT, "expires_at": first.json["expires_at"]}
    clock.advance(days=days)
    assert meter("POST", meter.holds(customer.account), again, key="k").json == first.json
    path = meter.holds(customer.account, f"/{first.json['seq']}/capture")
    captured = meter("POST", path, {"rate": rate.id, "gpu_ms": 1000})
    assert captured.status_code == (201 if days < 0 else 409)
    parts.ledger.expire_due()
    assert customer("GET", "/balance").json["held_micro"] == 0
    assert customer("GET", "/statement").status_code == 200
    customer("POST", "/keys", {"name": "x", "scopes": ["read"]}, key="k")
    clock.advance(days=-days)
    assert customer("POST", "/keys", {"name": "x", "scopes": ["read"]}, key="k").status_code == 201
    assert parts.ledger.balance(customer.account).available == 10 * CREDIT - (
        1000 if days < 0 else 0
    )


def test_attack_30_no_call_takes_an_address_to_be_called(app, customer):
    """Nothing but webhooks, whose addresses have tests of their own, makes the server ask one."""
    schemas = app.test_client().get("/openapi.json").json["components"]["schemas"]
    taken = {
        name
        for title, schema in schemas.items()
        if title.endswith("In") and title != "WebhookIn"
        for name in schema["properties"]
    }
    assert len(taken) > 20
    assert not [name for name in taken if any(w in name for w in ("url", "uri", "host", "hook"))]
    for name in ("return_url", "webhook_url", "success_url"):
        body = {"pack": "starter", name: "http://169.254.169.254/"}
        assert customer("POST", "/checkouts", body).status_code == 422


def test_attack_32_key_in_the_address_proves_nothing(customer, app):
    for name in ("key", "api_key", "access_token"):
        path = f"/api/v1/balance?{name}={customer.secret}"
        assert app.test_client().get(path).status_code == 401
        assert customer("GET", path).status_code == 422  # it shall not become a habit


def test_attack_33_only_hashes_of_keys_are_compared(customer, engine, app):
    with engine.connect() as connection:
        sql = "SELECT * FROM identity.api_key WHERE account = :a"
        row = connection.execute(sa.text(sql), {"a": customer.account}).one()
    assert bytes(row.digest) == hashlib.sha256(customer.secret.encode()).digest()
    assert customer.secret[:-4] not in str(row)
    for wrong in (customer.secret[:-1], customer.secret[:-1] + "~", customer.secret + "x"):
        headers = {"Authorization": f"Bearer {wrong}"}
        assert app.test_client().get("/api/v1/rates", headers=headers).status_code == 401


def test_attack_33_unknown_address_takes_as_long_as_a_wrong_password(parts, person, monkeypatch):
    from dressform.billing_server.identity import people

    hashed = []
    verify = people._hasher.verify
    monkeypatch.setattr(
        people,
        "_hasher",
        type("Counted", (), {"verify": lambda _, *a: hashed.append(1) or verify(*a)})(),
    )
    known = person_without = parts.identity.create(f"{uuid4().hex}@shop.example")
    assert parts.identity.of_password("nobody@shop.example", "some password") is None
    assert parts.identity.of_password(known.email, "some password") is None
    assert person_without
    assert len(hashed) == 2


def test_attack_36_tampered_journal_is_found(make_app, fresh, clock):
    """What was done over HTTP and then changed in the database is named by `ledger verify`."""
    from dressform.billing_server import database

    own = database.connect(fresh())
    parts = make_app(engine=own).extensions["services"]
    account = parts.ledger.open_account("x")
    parts.ledger.grant(account, CREDIT, "goodwill", key="g", reason="sorry")
    digest = parts.ledger.anchor().digest
    assert parts.ledger.verify().problems == ()
    with own.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.exec_driver_sql("UPDATE ledger.movement SET reason = 'a gift'")
    assert "hash must fit" in parts.ledger.verify().problems[0]
    assert len(digest) == 32
    own.dispose()
