"""Webhooks: any order, any number of times, and nobody else's; attack 23."""

import json
import time

import pytest

CREDIT = 1_000_000


@pytest.fixture
def busy(shop):
    """An account on which everything happened that can; its events are still to come."""
    for _ in range(2):
        shop.pay(shop.order().url)
    first, second = reversed(shop.things("payment_intent"))
    disputed = shop.bank("dispute", first["id"])
    shop.bank("lost", disputed["id"])
    shop.bank("refund", second["id"], amount=300)
    shop.pay(shop.order().url, "4000000000000002")
    shop.pay(shop.order().url, "bank")
    shop.bank("settle", shop.things("payment_intent")[0]["id"])
    return shop


@pytest.mark.parametrize("seed", range(8))
def test_five_times_shuffled_is_as_once(busy, seed, clean):
    outcomes = busy.deliver(times=5, seed=seed)
    assert busy.available() == 17 * CREDIT
    assert len(busy.grants()) == 3
    kinds = [line.movement.kind for line in busy.ledger.statement(busy.account)]
    assert sorted(kinds) == ["dispute_lost", "dispute_open", "grant", "grant", "grant", "refund"]
    assert outcomes.count("duplicate") == len(outcomes) * 4 // 5


def test_ten_at_once_are_as_one(shop, unwatched, clean):
    from concurrent.futures import ThreadPoolExecutor

    checkout = shop.order()
    shop.pay(checkout.url)
    events = [event for event in shop.events() if event["type"].endswith("completed")] * 10
    with ThreadPoolExecutor(10) as pool:
        outcomes = list(pool.map(shop.send, events))
    assert sorted(outcomes) == ["duplicate"] * 9 + ["handled"]
    assert shop.available() == 10 * CREDIT


def completed(shop):
    shop.pay(shop.order().url)
    return next(one for one in shop.events() if one["type"] == "checkout.session.completed")


def header(body, at=None, secret="whsec_of_the_test"):  # noqa: S107
    from dressform.billing_server.payments.simulator import delivery

    return delivery.sign(body, secret, at=at)


NOW = time.time()
FORGERIES = {
    "no header": lambda body: (body, ""),
    "garbage": lambda body: (body, "t=,v1="),
    "no signature": lambda body: (body, f"t={int(NOW)}"),
    "not ASCII": lambda body: (body, f"t={int(NOW)},v1=\u00e9"),
    "another secret": lambda body: (body, header(body, secret="whsec_guessed")),
    "another body": lambda body: (body.replace(b"cs_test", b"cs_evil"), header(body)),
    "another scheme": lambda body: (body, header(body).replace("v1=", "v0=")),
    "no UTF-8": lambda body: (b"\xff" + body, header(b"\xff" + body)),
    "301 s old": lambda body: (body, header(body, at=time.time() - 301)),
    "an hour in the future": lambda body: (body, header(body, at=time.time() + 3600)),
    "other mode": lambda body: (live(body), header(live(body))),
    "no mode": lambda body: (b"{}", header(b"{}")),
}


def live(body):
    return json.dumps(json.loads(body) | {"livemode": True}).encode()


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_attack_23_what_stripe_did_not_send_now_is_refused(shop, forge):
    from dressform.billing_server.payments.values import SignatureError

    event = completed(shop)
    body, signature = forge(json.dumps(event).encode())
    with pytest.raises(SignatureError, match=r"a webhook .* is required, got another"):
        shop.payments.receive(body, signature)
    assert shop.available() == 0
    assert shop.send(event) == "handled"


def test_attack_23_a_replay_does_nothing(shop):
    event = completed(shop)
    body = json.dumps(event).encode()
    sent = body, header(body)
    outcomes = [shop.payments.receive(*sent) for _ in range(3)]
    assert outcomes == ["handled", "duplicate", "duplicate"]
    assert shop.available() == 10 * CREDIT


def test_attack_23_the_words_of_an_event_are_not_believed(shop):
    checkout = shop.order()
    claims = {"payment_status": "paid", "status": "complete", "amount_total": 10**9}
    session = shop.things("checkout.session")[0] | claims
    event = {"id": "evt_1", "object": "event", "type": "checkout.session.completed"}
    event |= {"livemode": False, "created": int(NOW), "data": {"object": session}}
    assert shop.send(event) == "handled"
    assert (shop.state(checkout.order), shop.available()) == ("open", 0)


MISMATCHES = {
    "amount": {"amount_total": 1},
    "net amount": {"amount_subtotal": 10},
    "currency": {"currency": "jpy"},
    "customer": {"customer": "cus_of_somebody_else"},
    "livemode": {"livemode": True},
    "order": {"client_reference_id": "o_of_somebody_else"},
}


@pytest.mark.parametrize(("name", "wrong"), MISMATCHES.items(), ids=MISMATCHES)
def test_attack_23_a_payment_that_was_not_ordered_so_is_refused_and_told(shop, name, wrong):
    checkout = shop.order()
    shop.pay(checkout.url)
    event = next(one for one in shop.events() if one["type"] == "checkout.session.completed")
    event["data"]["object"]["client_reference_id"] = checkout.order
    shop.things("checkout.session")[0].update(wrong)
    assert shop.send(event).startswith(f"refused: {name} must be")
    assert (shop.state(checkout.order), shop.available()) == ("open", 0)
    assert [mail["order"] for mail in shop.mails("operator")] == [checkout.order]


def test_attack_23_a_payment_does_not_pay_the_order_of_somebody_else(shop, ledger, references):
    victim = ledger.open_account(next(references))
    url = "https://shop.example"
    theirs = shop.payments.checkout(victim, "hundred", key="k", return_url=url)
    shop.pay(shop.order().url)
    for event in shop.events():
        thing = event["data"]["object"]
        thing |= {"client_reference_id": theirs.order, "metadata": {"order": theirs.order}}
        shop.send(event)
    assert shop.payments.order(victim, theirs.order).state == "open"
    assert ledger.balance(victim).available == 0


def test_events_of_another_shop_are_ignored(shop):
    for kind in ("checkout.session.completed", "payment_intent.succeeded", "refund.created"):
        thing = {"id": "x_1", "object": kind.rpartition(".")[0].replace("session", "session")}
        thing |= {"payment_intent": "pi_of_another_shop", "metadata": {}}
        event = {"id": f"evt_{kind}", "object": "event", "type": kind, "livemode": False}
        event |= {"created": int(NOW), "data": {"object": thing}}
        assert shop.send(event) == "ignored"
        assert shop.send(event) == "duplicate"


def test_payment_of_an_order_that_the_books_do_not_have_is_told(shop):
    """The order was begun after the backup that was restored."""
    thing = {"id": "pi_x", "object": "payment_intent", "metadata": {"order": "lost"}}
    event = {"id": "evt_lost", "object": "event", "type": "payment_intent.succeeded"}
    event |= {"livemode": False, "created": int(NOW), "data": {"object": thing}}
    assert shop.send(event) == "refused: order lost is not in these books"


def test_types_that_nobody_handles_are_ignored(shop):
    event = {"id": "evt_other", "object": "event", "type": "customer.created", "livemode": False}
    event |= {"created": int(NOW), "data": {"object": {"id": "cus_1", "object": "customer"}}}
    assert shop.send(event) == "ignored"


def test_a_fault_of_ours_is_raised_so_that_it_comes_again(shop):
    from dressform.billing_server.payments.values import UnknownOutcomeError

    event = completed(shop)
    shop.fault({"at": "GET /v1/checkout", "kind": "error"})
    with pytest.raises(UnknownOutcomeError, match="an answer of Stripe is required"):
        shop.send(event)
    assert shop.available() == 0
    assert shop.send(event) == "handled"
    assert shop.available() == 10 * CREDIT


def test_while_a_secret_is_rotated_both_are_good(shop):
    from dressform.billing_server.payments.values import SignatureError

    shop.payments._gateway._secrets = ("whsec_new", "whsec_of_the_test")
    assert shop.send(completed(shop)) == "handled"
    assert shop.send(completed(shop), "whsec_new") == "handled"
    assert shop.send(completed(shop), "whsec_gone", "whsec_new") == "handled"
    shop.payments._gateway._secrets = ("whsec_new",)
    with pytest.raises(SignatureError):
        shop.send(completed(shop), "whsec_of_the_test")
    assert shop.available() == 30 * CREDIT


def test_without_any_secret_everything_is_refused(shop):
    from dressform.billing_server.payments.values import SignatureError

    shop.payments._gateway._secrets = ()
    with pytest.raises(SignatureError):
        shop.send(completed(shop))


# What never came


def test_reconcile_fills_the_gaps(busy, clock, clean):
    since = clock.after(hours=-1)
    report = busy.payments.reconcile(since)
    assert busy.available() == 17 * CREDIT
    assert (report.filled, report.problems) == (report.events, ())
    again = busy.payments.reconcile(since)
    assert (again.events, again.filled) == (report.events, 0)
    assert busy.payments.reconciled() == again
    assert "handled" not in busy.deliver()


def test_reconcile_reads_every_page(shop, monkeypatch):
    from dressform.billing_server.payments import gateway

    monkeypatch.setattr(gateway, "PAGE", 3)
    for _ in range(5):
        shop.pay(shop.order().url)
    assert shop.payments.reconcile(shop.payments._clock()).filled == 10
    assert shop.available() == 50 * CREDIT


def test_every_hour_it_happens_by_itself(busy, clock, clean):
    clock.advance(seconds=5)
    busy.payments.due()
    assert busy.available() == 0
    clock.advance(minutes=61)
    busy.payments.due()
    assert busy.available() == 17 * CREDIT


def test_reconcile_goes_on_after_an_event_that_fails_here(busy, clock, monkeypatch):
    from dressform.billing_server.payments import Payments

    handle, failed = Payments._handle, []

    def broken(payments, event):
        if not failed or event.id in failed:
            failed.append(event.id)
            raise ZeroDivisionError
        return handle(payments, event)

    monkeypatch.setattr(Payments, "_handle", broken)
    clock.advance(minutes=61)
    busy.payments.due()
    report = busy.payments.reconciled()
    assert report.problems == (f"event {failed[0]} failed: ZeroDivisionError",)
    assert report.filled == report.events - 1
    busy.payments.due()
    assert len(failed) == 1


def test_reconcile_names_what_is_wrong(shop, clock):
    checkout = shop.order()
    shop.pay(checkout.url)
    shop.things("checkout.session")[0]["currency"] = "eur"
    report = shop.payments.reconcile(clock.after(hours=-1))
    assert any("currency must be 'usd' as ordered" in one for one in report.problems)
    clock.advance(days=8)
    report = shop.payments.reconcile(clock.after(hours=-1))
    assert any(checkout.order in one for one in report.problems)


# Attack 26


def test_attack_26_who_tries_card_after_card_is_shown_the_door(shop, clock):
    from dressform.billing_server.payments.values import LimitError

    checkout = shop.order()
    for _ in range(5):
        shop.pay(checkout.url, "4000000000000002")
    shop.deliver()
    shop.deliver()
    assert shop.state(checkout.order) == "expired"
    assert "This page is expired" in shop.pay(checkout.url).text
    with pytest.raises(LimitError, match="at most 5 declined payments in a day"):
        shop.order()
    clock.advance(days=1, seconds=1)
    shop.order()


def test_attack_26_pages_are_not_opened_without_end(shop, clock, ledger, references):
    from dressform.billing_server.payments.values import LimitError

    for _ in range(10):
        shop.order()
    with pytest.raises(LimitError, match="at most 10 unpaid orders in an hour"):
        shop.order()
    other = ledger.open_account(next(references))
    shop.payments.checkout(other, "ten", key="k", return_url="https://x.example")
    clock.advance(hours=1, seconds=1)
    shop.order()


def test_attack_26_fifty_at_once_open_no_more_than_ten(shop, unwatched):
    from concurrent.futures import ThreadPoolExecutor

    from dressform.billing_server.payments.values import LimitError

    def one(number):
        try:
            return bool(shop.order(key=f"k{number}"))
        except LimitError:
            return False

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(one, range(50))) == 10
