"""Auto top-up: once at a time, up to a cap, until the first decline."""

import pytest
import sqlalchemy as sa

CREDIT = 1_000_000
SAVED, NEVER_AWAY, ALWAYS_SAFE = "4242424242424242", "4000000000000341", "4000002760003184"


@pytest.fixture
def low(shop, clock, rate):
    """Saves a card with a first purchase, spends all of it, and switches auto top-up on."""

    def make(card=SAVED, cap=3_000, **answers):
        shop.buy(card=card, **answers)
        spend(shop, clock, rate, shop.available())
        assert switch(shop, cap=cap).enabled
        return shop

    return make


def switch(shop, *, cap=3_000, threshold=2 * CREDIT, pack="ten", enabled=True):
    what = {"threshold_micro": threshold, "pack_id": pack, "monthly_cap_minor": cap}
    return shop.payments.set_auto_top_up(shop.account, enabled=enabled, **what)


def spend(shop, clock, rate, amount):
    key = f"run-{next(shop.numbers)}"
    hold = shop.ledger.hold(shop.account, amount, clock.after(minutes=5), key=key)
    what = {"rate": rate.id, "gpu_ms": amount}
    shop.ledger.capture(shop.account, hold.seq, key=f"{key}-end", **what)


def top_ups(shop):
    with shop.payments._engine.connect() as connection:
        sql = """SELECT * FROM payments.pack_order WHERE account_id = :a AND kind = 'top_up'
            ORDER BY at"""
        return list(connection.execute(sa.text(sql), {"a": shop.account}))


def test_it_buys_when_credits_run_low(low, clean):
    shop = low()
    assert shop.available() == 0
    shop.payments.due()
    (order,) = top_ups(shop)
    assert (order.state, shop.available()) == ("paid", 10 * CREDIT)
    assert shop.purchase(order.id).receipt_url
    shop.deliver()
    shop.payments.due()
    assert shop.available() == 10 * CREDIT
    assert len(top_ups(shop)) == 1


def test_it_is_off_unless_switched_on(shop):
    shop.buy()
    assert shop.payments.auto_top_up(shop.account).enabled is False
    switch(shop, threshold=100 * CREDIT, enabled=False)
    shop.payments.due()
    assert top_ups(shop) == []


def test_it_stops_at_the_cap_of_the_month_and_goes_on_in_the_next(low, clock, rate, clean):
    shop = low(cap=2_500)
    for paid in (1, 2, 2):
        shop.payments.due()
        assert len(top_ups(shop)) == paid
        if shop.available():
            spend(shop, clock, rate, shop.available())
    setting = shop.payments.auto_top_up(shop.account)
    assert (setting.enabled, setting.state) == (True, "capped")
    shop.payments.due()
    (mail,) = shop.mails("top_up_capped")
    assert (mail["spent_minor"], mail["currency"]) == (2_000, "usd")
    clock.advance(days=20)
    shop.payments.due()
    assert len(top_ups(shop)) == 3
    assert shop.payments.auto_top_up(shop.account).state == "ok"


def test_one_decline_breaks_it_until_the_customer_switches_it_on(low, clean):
    shop = low(NEVER_AWAY)
    shop.payments.due()
    (order,) = top_ups(shop)
    assert (order.state, order.failure) == ("failed", "Your card was declined.")
    setting = shop.payments.auto_top_up(shop.account)
    assert (setting.enabled, setting.state) == (False, "declined")
    for _ in range(3):
        shop.payments.due()
    assert len(top_ups(shop)) == 1
    (mail,) = shop.mails("top_up_stopped")
    assert mail == {"state": "declined", "reason": "Your card was declined."}
    assert switch(shop).state == "ok"
    shop.payments.due()
    assert len(top_ups(shop)) == 2


def test_a_bank_that_wants_the_customer_gets_him_by_mail(low, clock, clean):
    shop = low(ALWAYS_SAFE, answer="yes")
    shop.payments.due()
    setting = shop.payments.auto_top_up(shop.account)
    assert (setting.enabled, setting.state) == (False, "authentication_required")
    shop.payments.due()
    (mail,) = shop.mails("pay_link")
    assert shop.available() == 0
    shop.pay(mail["url"], ALWAYS_SAFE, answer="yes")
    shop.deliver()
    assert shop.available() == 10 * CREDIT
    shop.payments.due()
    assert len(shop.mails("pay_link")) == 1


def test_without_a_saved_card_it_says_so(shop):
    switch(shop)
    shop.payments.due()
    setting = shop.payments.auto_top_up(shop.account)
    assert (setting.enabled, setting.state) == (False, "no_card")
    assert "save the card" in setting.reason


def test_it_charges_the_card_that_the_customer_made_his_default(low):
    import requests

    shop = low()
    shop.buy(card=NEVER_AWAY)
    declines = shop.things("payment_method")[0]["id"]
    url = shop.payments.portal(shop.account, "https://shop.example")
    requests.post(url, {"card": declines, "do": "default"}, timeout=10)
    switch(shop, threshold=50 * CREDIT)
    shop.payments.due()
    assert shop.payments.auto_top_up(shop.account).state == "declined"
    assert top_ups(shop)[-1].card == declines


def test_one_is_in_flight_at_a_time(low, clock):
    shop = low()
    shop.fault({"at": "POST /v1/payment_intents", "kind": "lost_after", "times": 3})
    shop.payments.due()
    clock.advance(seconds=5)
    shop.payments.due()
    (order,) = top_ups(shop)
    assert order.state == "new"
    columns = "account_id, kind, pack, credits_micro, price_minor, currency, tax, at"
    sql = f"""INSERT INTO payments.pack_order (id, key, {columns})
        SELECT 'x', 'x', {columns} FROM payments.pack_order WHERE id = :id"""
    with pytest.raises(sa.exc.IntegrityError), shop.payments._engine.begin() as connection:
        connection.execute(sa.text(sql), {"id": order.id})
    clock.advance(minutes=2)
    shop.fault()
    shop.payments.due()
    assert top_ups(shop)[0].state == "paid"
    paid = [
        one for one in shop.things("payment_intent") if one["metadata"].get("order") == order.id
    ]
    assert len(paid) == 1


def test_ten_processes_at_once_start_one(low):
    from concurrent.futures import ThreadPoolExecutor

    shop = low()
    with ThreadPoolExecutor(10) as pool:
        started = pool.map(lambda _: shop.payments._start_top_up(shop.account), range(10))
    assert sum(order is not None for order in started) == 1


def test_a_debit_under_way_is_waited_for_and_its_failure_breaks_it(shop, clean):
    shop.buy(card="bank")
    shop.bank("settle", shop.things("payment_intent")[0]["id"])
    shop.deliver()
    switch(shop, threshold=50 * CREDIT)
    shop.payments.due()
    (order,) = top_ups(shop)
    assert order.state == "processing"
    shop.payments.due()
    assert len(top_ups(shop)) == 1
    shop.bank("bounce", order.payment_id)
    shop.deliver()
    assert top_ups(shop)[0].state == "failed"
    assert shop.payments.auto_top_up(shop.account).state == "declined"


def test_tax_of_a_top_up_is_calculated_and_paid(low, settings, clean):
    shop = low()
    shop.payments._settings = settings._replace(tax=True)
    shop.payments.due()
    assert shop.purchase(top_ups(shop)[0].id).paid_minor == 1_200
    assert shop.available() == 10 * CREDIT


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ({"cap": 999}, "monthly_cap_minor must be from 1000"),
        ({"cap": 10**12}, "monthly_cap_minor must be from"),
        ({"cap": True}, "monthly_cap_minor must be from"),
        ({"cap": "5000"}, "monthly_cap_minor must be from"),
        ({"threshold": -1}, "threshold_micro must be a whole number from 0"),
        ({"threshold": 1.5}, "threshold_micro must be a whole number"),
        ({"pack": "none"}, "pack must be one of"),
        ({"enabled": 1}, "enabled must be true or false"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(shop, what, sentence):
    from dressform.billing_server.ledger import InvalidError

    with pytest.raises(InvalidError, match=sentence):
        switch(shop, **what)
    assert shop.payments.auto_top_up(shop.account).enabled is False


def test_a_pack_that_is_sold_no_longer_ends_it(low, settings):
    shop = low()
    shop.payments._settings = settings._replace(packs=settings.packs[1:])
    shop.payments.due()
    assert "pack must be one of" in shop.payments.auto_top_up(shop.account).reason
    assert top_ups(shop) == []


def test_december_is_followed_by_january():
    from datetime import datetime

    from dressform.billing_server.payments.top_ups import _next_month

    assert _next_month(datetime(2026, 12, 1)) == datetime(2027, 1, 1)
    assert _next_month(datetime(2026, 3, 1)) == datetime(2026, 4, 1)
