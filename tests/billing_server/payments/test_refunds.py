"""Refunds of unspent credits; attack 25 on them."""

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

CREDIT = 1_000_000


def sent_back(shop):
    return sum(one["amount"] for one in shop.things("refund") if one["status"] == "succeeded")


def refund(shop, order, amount, key="refund"):
    return shop.payments.refund(shop.account, order, amount, key=key)


def test_unspent_credits_become_money_again(shop, clean):
    order = shop.buy()
    done = refund(shop, order, 4 * CREDIT)
    assert (done.state, done.amount_micro, done.amount_minor) == ("done", 4 * CREDIT, 400)
    assert (shop.available(), sent_back(shop)) == (6 * CREDIT, 400)
    shop.deliver(times=3, seed=1)
    bought = shop.purchase(order)
    assert (bought.state, bought.refundable_micro) == ("partly_refunded", 6 * CREDIT)
    refund(shop, order, 6 * CREDIT, "rest")
    assert (shop.purchase(order).state, sent_back(shop)) == ("refunded", 1_000)
    assert shop.available() == 0


def test_the_same_key_sends_once(shop, clean):
    from dressform.billing_server.ledger import KeyReusedError

    order = shop.buy()
    assert refund(shop, order, CREDIT) == refund(shop, order, CREDIT)
    with pytest.raises(KeyReusedError, match="new key is required"):
        refund(shop, order, 2 * CREDIT)
    assert sent_back(shop) == 100


def test_attack_25_more_than_is_unspent_is_refused(shop, ledger, clock, rate, clean):
    from dressform.billing_server.ledger import InsufficientCreditsError

    order = shop.buy()
    hold = ledger.hold(shop.account, 3 * CREDIT, clock.after(minutes=5), key="run")
    ledger.capture(shop.account, hold.seq, key="end", rate=rate.id, gpu_ms=3 * CREDIT)
    for amount in (10 * CREDIT, 7 * CREDIT + 1):
        with pytest.raises(InsufficientCreditsError, match=r"at most 7 of grant \d+ is unspent"):
            refund(shop, order, amount, f"k{amount}")
    assert sent_back(shop) == 0
    refund(shop, order, 7 * CREDIT)
    assert (shop.available(), sent_back(shop)) == (0, 700)


def test_attack_25_what_a_hold_has_taken_is_not_refunded(shop, ledger, clock, clean):
    from dressform.billing_server.ledger import InsufficientCreditsError

    order = shop.buy()
    hold = ledger.hold(shop.account, 8 * CREDIT, clock.after(minutes=5), key="run")
    assert shop.purchase(order).refundable_micro == 2 * CREDIT
    assert shop.purchase(order).unspent_micro == 10 * CREDIT
    with pytest.raises(InsufficientCreditsError, match="at most 2"):
        refund(shop, order, 10 * CREDIT, "early")
    ledger.release(shop.account, hold.seq, key="released")
    assert refund(shop, order, 10 * CREDIT).state == "done"


@pytest.mark.parametrize("amount", [0, -1, 10**16, True, 1.0, "1", None])
def test_attack_24_absurd_amounts_are_refused(shop, amount):
    from dressform.billing_server.ledger import InvalidError

    order = shop.buy()
    with pytest.raises(InvalidError, match="amount must be a whole number from 1"):
        refund(shop, order, amount)
    assert sent_back(shop) == 0


def test_less_than_a_cent_is_refused_and_nothing_is_moved(shop, clean):
    from dressform.billing_server.ledger import InsufficientCreditsError

    order = shop.buy()
    with pytest.raises(InsufficientCreditsError, match="worth at least one usd cent"):
        refund(shop, order, 9_999)
    assert shop.available() == 10 * CREDIT


def test_an_order_that_is_not_paid_is_not_refunded(shop):
    from dressform.billing_server.ledger import NotAllowedError

    checkout = shop.order()
    with pytest.raises(NotAllowedError, match="a paid order is required, got one that is open"):
        refund(shop, checkout.order, CREDIT)


def test_fifty_refunds_at_once_send_no_more_than_was_paid(shop, unwatched, clean):
    from concurrent.futures import ThreadPoolExecutor

    from dressform.billing_server.ledger import InsufficientCreditsError

    order = shop.buy()

    def one(number):
        try:
            return refund(shop, order, 3 * CREDIT, f"k{number}").state
        except InsufficientCreditsError:
            return None

    with ThreadPoolExecutor(10) as pool:
        states = list(pool.map(one, range(50)))
    assert states.count("done") == 3
    assert (sent_back(shop), shop.available()) == (900, CREDIT)


def test_credits_come_back_when_the_bank_returns_the_money(shop, clean):
    order = shop.buy()
    refund(shop, order, 4 * CREDIT)
    shop.deliver()
    shop.bank("fail_refund", shop.things("refund")[0]["id"])
    shop.deliver(times=2)
    assert shop.available() == 10 * CREDIT
    assert len(shop.mails("refund_failed")) == 1
    assert refund(shop, order, 4 * CREDIT).state == "failed"
    refund(shop, order, 10 * CREDIT, "again")
    assert shop.available() == 0


def test_credits_come_back_when_stripe_refuses(shop, clean):
    order = shop.buy()
    del shop.simulator.world.things[shop.things("charge")[0]["id"]]
    assert refund(shop, order, CREDIT).state == "failed"
    assert shop.available() == 10 * CREDIT


def test_money_sent_back_at_stripe_takes_the_credits_that_are_unspent(
    shop, ledger, clock, rate, clean
):
    order = shop.buy()
    hold = ledger.hold(shop.account, 3 * CREDIT, clock.after(minutes=5), key="run")
    ledger.capture(shop.account, hold.seq, key="end", rate=rate.id, gpu_ms=3 * CREDIT)
    payment = shop.things("payment_intent")[0]["id"]
    shop.bank("refund", payment, amount=500)
    shop.deliver(times=2, seed=4)
    assert shop.available() == 2 * CREDIT
    shop.bank("refund", payment)
    shop.deliver(times=2, seed=5)
    assert shop.available() == 0
    assert [mail["sent_minor"] for mail in shop.mails("operator")] == [500, 500]
    assert shop.purchase(order).refundable_micro == 0
    shop.bank("fail_refund", shop.things("refund")[1]["id"])
    shop.deliver()
    assert shop.available() == 2 * CREDIT


def test_attack_26_an_early_warning_of_fraud_sends_back_what_is_unspent(shop, clean):
    order = shop.buy(card="4000000000005423")
    assert (sent_back(shop), shop.available()) == (1_000, 0)
    assert shop.purchase(order).state == "refunded"
    shop.bank("warn", shop.things("payment_intent")[0]["id"])
    shop.deliver()
    assert sent_back(shop) == 1_000


@given(
    paid=st.integers(1, 10**9),
    credits=st.integers(1, 10**15),
    parts=st.lists(st.floats(0, 1), max_size=20),
)
def test_parts_of_an_odd_price_never_add_up_to_more(paid, credits, parts):
    from types import SimpleNamespace

    from dressform.billing_server.payments.refunds import money

    order, given_back, sent = SimpleNamespace(paid_minor=paid, credits_micro=credits), 0, 0
    for part in [*parts, 1.0]:
        given_back += int((credits - given_back) * part)
        back = money(order, given_back) - sent
        assert back >= 0
        sent += back
        assert sent * credits <= paid * given_back
    assert (given_back, sent) == (credits, paid)


def test_an_odd_price_comes_back_to_the_cent(shop, clean):
    order = shop.buy("hundred")
    for number, part in enumerate((33_333_333, 1_000_000, 70_666_667)):
        refund(shop, order, part, f"k{number}")
    assert sent_back(shop) == 9_999
    assert [one["amount"] for one in shop.things("refund")][::-1] == [3_174, 95, 6_730]


def test_the_database_refuses_to_forget_or_change_an_order(shop, engine):
    order = shop.buy()
    for sql in (
        "DELETE FROM payments.pack_order WHERE id = :id",
        "UPDATE payments.pack_order SET credits_micro = 1 WHERE id = :id",
        "UPDATE payments.pack_order SET price_minor = 1 WHERE id = :id",
        "UPDATE payments.pack_order SET account_id = 1 WHERE id = :id",
        "UPDATE payments.pack_order SET state = 'open' WHERE id = :id",
        "UPDATE payments.pack_order SET grant_seq = NULL, state = 'open' WHERE id = :id",
    ):
        with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
            connection.execute(sa.text(sql), {"id": order})
