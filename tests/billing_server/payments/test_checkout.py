"""Buying packs: success, decline, 3-D Secure, a closed tab, a bank that takes days."""

import pytest

CREDITS = 10_000_000
SAFE, DECLINED, BANK = "4000002500003155", "4000000000000002", "bank"


def test_credits_come_by_the_webhook_alone(shop, clean):
    checkout = shop.order()
    assert shop.state(checkout.order) == "open"
    back = shop.pay(checkout.url).headers["location"]
    assert back == f"https://shop.example/credits?order={checkout.order}"
    assert (shop.state(checkout.order), shop.available()) == ("open", 0)
    assert "handled" in shop.deliver()
    assert (shop.state(checkout.order), shop.available()) == ("paid", CREDITS)
    bought = shop.purchase(checkout.order)
    assert (bought.paid_minor, bought.unspent_micro, bought.state) == (1_000, CREDITS, "paid")
    assert "/invoice/" in bought.invoice_url
    assert "/receipt/" in bought.receipt_url


def test_the_same_key_is_the_same_order(shop):
    from dressform.billing_server.ledger import KeyReusedError

    first = shop.order(key="k")
    assert shop.order(key="k") == first
    assert len(shop.things("checkout.session")) == 1
    with pytest.raises(KeyReusedError, match="new key is required"):
        shop.order("hundred", key="k")
    shop.pay(first.url)
    shop.deliver()
    assert shop.order(key="k") == first


def test_a_declined_card_leaves_the_page_open_for_another(shop, clean):
    checkout = shop.order()
    page = shop.pay(checkout.url, DECLINED)
    assert page.status_code == 200
    assert "declined" in page.text
    shop.deliver()
    assert (shop.state(checkout.order), shop.available()) == ("open", 0)
    shop.pay(checkout.url)
    shop.deliver()
    assert (shop.state(checkout.order), shop.available()) == ("paid", CREDITS)


@pytest.mark.parametrize(("answer", "state"), [("yes", "paid"), ("no", "open")])
def test_three_d_secure_decides(shop, clean, answer, state):
    checkout = shop.order()
    assert "Is this you?" in shop.pay(checkout.url, SAFE).text
    shop.deliver()
    assert shop.state(checkout.order) == "open"
    shop.pay(checkout.url, SAFE, answer=answer)
    shop.deliver()
    assert shop.state(checkout.order) == state
    assert shop.available() == (CREDITS if state == "paid" else 0)


def test_a_tab_closed_before_the_return_loses_nothing(shop, clock, clean):
    checkout = shop.order()
    shop.pay(checkout.url)  # nobody follows the redirect, and no webhook comes
    clock.advance(minutes=2)
    shop.payments.due()
    assert (shop.state(checkout.order), shop.available()) == ("paid", CREDITS)


@pytest.mark.parametrize(
    ("act", "state", "credits"), [("settle", "paid", CREDITS), ("bounce", "failed", 0)]
)
def test_a_bank_debit_is_credited_when_it_has_come(shop, clean, act, state, credits):
    order = shop.buy(card=BANK)
    assert (shop.state(order), shop.available()) == ("processing", 0)
    shop.bank(act, shop.things("payment_intent")[0]["id"])
    shop.deliver()
    assert (shop.state(order), shop.available()) == (state, credits)


def test_an_order_that_nobody_pays_expires(shop, clean):
    import requests

    checkout = shop.order()
    session = checkout.url.rpartition("/")[2]
    requests.post(
        f"{shop.simulator.url}/v1/checkout/sessions/{session}/expire",
        headers={"Authorization": "Bearer sk_test_1", "Stripe-Version": "2026-10-28.endive"},
        timeout=10,
    )
    shop.deliver()
    assert shop.state(checkout.order) == "expired"


def test_money_that_comes_late_is_credited_all_the_same(shop, clock, clean):
    order = shop.buy(card=BANK)
    payment = shop.things("payment_intent")[0]["id"]
    shop.bank("bounce", payment)
    shop.deliver()
    assert shop.state(order) == "failed"
    shop.bank("settle", payment)
    shop.deliver()
    assert (shop.state(order), shop.available()) == ("paid", CREDITS)


def test_tax_is_paid_on_top_and_credits_are_what_was_ordered(shop, settings, clean):
    shop.payments._settings = settings._replace(tax=True)
    order = shop.buy()
    assert (shop.purchase(order).price_minor, shop.purchase(order).paid_minor) == (1_000, 1_200)
    assert shop.available() == CREDITS


def test_a_customer_whom_stripe_forgot_is_made_again(shop, clean):
    from dressform.billing_server.payments.values import RefusedError

    shop.buy()
    for customer in shop.things("customer"):
        del shop.simulator.world.things[customer["id"]]
    with pytest.raises(RefusedError, match="No such customer"):
        shop.order(key="lost")
    with pytest.raises(RefusedError, match="No such customer"):
        shop.order(key="lost")
    shop.buy()
    assert shop.available() == 2 * CREDITS


def test_the_portal_is_the_customers_own(shop):
    import requests

    shop.buy()
    url = shop.payments.portal(shop.account, "https://shop.example/account")
    page = requests.get(url, timeout=10).text
    assert all(one in page for one in ("4242", "https://shop.example/account", "10.00 USD"))


def test_an_order_of_another_account_is_not_found(shop, ledger, references):
    from dressform.billing_server.ledger import NotFoundError

    checkout = shop.order()
    stranger = ledger.open_account(next(references))
    with pytest.raises(NotFoundError, match="an order is required"):
        shop.payments.order(stranger, checkout.order)
    with pytest.raises(NotFoundError, match="an order is required"):
        shop.payments.refund(stranger, checkout.order, 1, key="k")
    with pytest.raises(NotFoundError, match="an account is required"):
        shop.payments.checkout(10**12, "ten", key="k", return_url="https://x.example")


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "//evil.example", "", "https://" + "x" * 2000]
)
def test_a_return_address_that_is_no_page_is_refused(shop, url):
    from dressform.billing_server.ledger import InvalidError

    with pytest.raises(InvalidError, match="return_url must be"):
        shop.payments.checkout(shop.account, "ten", key="k", return_url=url)


def test_attack_24_prices_and_quantities_are_not_the_customers_to_say(shop):
    from dressform.billing_server.ledger import InvalidError

    for pack in ("", "TEN", "ten' OR 1=1", "-1", None, 10**30):
        with pytest.raises(InvalidError, match="pack must be one of ten, hundred"):
            shop.payments.checkout(shop.account, pack, key="k", return_url="https://x.example")
    shop.order()
    (line,) = shop.simulator.world.all("checkout.session")
    assert (line["amount_total"], line["currency"]) == (1_000, "usd")
