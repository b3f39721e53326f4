"""Disputes: frozen, won, lost; attack 25 with credits that are spent."""

import pytest

CREDIT = 1_000_000


@pytest.fixture
def disputed(shop):
    """A paid order, and the payment that is disputed."""
    order = shop.buy()
    return order, shop.things("payment_intent")[0]["id"]


def spend(shop, clock, rate, amount):
    hold = shop.ledger.hold(shop.account, amount, clock.after(minutes=5), key="run")
    return shop.ledger.capture(shop.account, hold.seq, key="end", rate=rate.id, gpu_ms=amount)


def test_disputed_credits_are_frozen_and_come_back_when_it_is_won(shop, disputed, clean):
    from dressform.billing_server.ledger import NotAllowedError

    order, payment = disputed
    dispute = shop.bank("dispute", payment)["id"]
    shop.deliver(times=3, seed=1)
    assert (shop.available(), shop.ledger.balance(shop.account).frozen) == (0, 10 * CREDIT)
    assert (shop.purchase(order).state, shop.purchase(order).refundable_micro) == ("disputed", 0)
    with pytest.raises(NotAllowedError, match="nobody disputes"):
        shop.payments.refund(shop.account, order, CREDIT, key="k")
    shop.bank("won", dispute)
    shop.deliver(times=3, seed=2)
    assert (shop.available(), shop.purchase(order).state) == (10 * CREDIT, "paid")
    assert [mail["state"] for mail in shop.mails("dispute")] == ["open", "won"]


def test_attack_25_a_dispute_after_all_was_spent_leaves_a_debt(shop, disputed, clock, rate, clean):
    from dressform.billing_server.ledger import InsufficientCreditsError

    _, payment = disputed
    spend(shop, clock, rate, 10 * CREDIT)
    dispute = shop.bank("dispute", payment)["id"]
    shop.deliver()
    assert shop.available() == 0
    shop.bank("lost", dispute)
    shop.deliver(times=5, seed=3)
    assert shop.available() == -10 * CREDIT
    with pytest.raises(InsufficientCreditsError):
        shop.ledger.hold(shop.account, 1, clock.after(minutes=5), key="next")
    shop.buy("hundred")
    assert shop.available() == 95 * CREDIT


def test_attack_25_a_second_dispute_of_an_account_in_debt_is_written_down(
    shop, disputed, clock, rate, clean
):
    _, payment = disputed
    second = shop.buy()
    of_second = next(one for one in shop.things("payment_intent") if one["id"] != payment)["id"]
    spend(shop, clock, rate, 15 * CREDIT)
    shop.bank("lost", shop.bank("dispute", payment)["id"])
    shop.deliver()
    assert shop.available() == -5 * CREDIT
    dispute = shop.bank("dispute", of_second)["id"]
    assert "handled" in shop.deliver()
    assert (shop.available(), shop.purchase(second).state) == (-5 * CREDIT, "disputed")
    shop.bank("lost", dispute)
    shop.deliver()
    assert shop.available() == -15 * CREDIT


def test_attack_25_a_dispute_during_a_run_freezes_what_comes_back_of_it(
    shop, disputed, clock, clean
):
    _, payment = disputed
    hold = shop.ledger.hold(shop.account, 6 * CREDIT, clock.after(minutes=5), key="run")
    dispute = shop.bank("dispute", payment)["id"]
    shop.deliver()
    shop.ledger.release(shop.account, hold.seq, key="end")
    assert (shop.available(), shop.ledger.balance(shop.account).frozen) == (0, 10 * CREDIT)
    shop.bank("lost", dispute)
    shop.deliver()
    balance = shop.ledger.balance(shop.account)
    assert (balance.available, balance.frozen) == (0, 0)


def test_a_dispute_that_is_heard_of_before_the_payment_grants_then_freezes(shop, clean):
    checkout = shop.order()
    shop.pay(checkout.url, "4000000000000259")
    events = {event["type"]: event for event in shop.events()}
    assert shop.send(events["charge.dispute.created"]) == "handled"
    assert (shop.available(), shop.ledger.balance(shop.account).frozen) == (0, 10 * CREDIT)
    for event in events.values():
        shop.send(event)
    assert len(shop.grants()) == 1
    assert shop.purchase(checkout.order).state == "disputed"


def test_one_that_is_heard_of_when_it_is_lost_already_is_clawed_back(shop, disputed, clean):
    _, payment = disputed
    shop.bank("lost", shop.bank("dispute", payment)["id"])
    shop.deliver(seed=9)
    assert shop.available() == 0
    assert [line.movement.kind for line in shop.ledger.statement(shop.account)][:2] == [
        "dispute_lost",
        "dispute_open",
    ]


def test_a_part_that_is_disputed_freezes_a_part(shop, disputed, clean):
    _, payment = disputed
    shop.bank("lost", shop.bank("dispute", payment, amount=250)["id"])
    shop.deliver()
    assert shop.available() == 7_500_000


def test_a_refund_before_the_dispute_is_not_taken_twice(shop, disputed, clean):
    order, payment = disputed
    shop.payments.refund(shop.account, order, 4 * CREDIT, key="k")
    shop.bank("lost", shop.bank("dispute", payment)["id"])
    shop.deliver()
    assert shop.available() == 0


def test_a_refund_that_fails_while_the_rest_is_disputed_is_not_a_gift(shop, disputed, clean):
    order, payment = disputed
    shop.payments.refund(shop.account, order, 4 * CREDIT, key="k")
    dispute = shop.bank("dispute", payment)["id"]
    shop.deliver()
    shop.bank("fail_refund", shop.things("refund")[0]["id"])
    shop.deliver()
    assert shop.ledger.balance(shop.account).frozen == 10 * CREDIT
    shop.bank("lost", dispute)
    shop.deliver(times=2)
    assert (shop.available(), shop.ledger.balance(shop.account).frozen) == (0, 0)


def test_auto_top_up_ends_with_a_dispute(shop, disputed):
    _, payment = disputed
    what = {"threshold_micro": 50 * CREDIT, "pack_id": "ten", "monthly_cap_minor": 5_000}
    shop.payments.set_auto_top_up(shop.account, enabled=True, **what)
    shop.bank("dispute", payment)
    shop.deliver()
    assert shop.payments.auto_top_up(shop.account).state == "disputed"
    shop.payments.due()
    assert len(shop.things("payment_intent")) == 1


def test_one_that_is_won_after_it_was_lost_is_told_to_the_operator(shop, disputed, clean):
    _, payment = disputed
    dispute = shop.bank("dispute", payment)["id"]
    shop.bank("lost", dispute)
    shop.deliver()
    shop.bank("won", dispute)
    shop.deliver()
    assert shop.available() == 0
    assert "won after it was lost" in shop.mails("operator")[-1]["state"]
