"""Stripe itself, in test mode, where STRIPE_TEST_KEY is set: what the simulator says must be so."""

import os

import pytest

pytestmark = pytest.mark.outside
CREDIT = 1_000_000
KEY = os.environ.get("STRIPE_TEST_KEY", "")


@pytest.fixture
def gateway(need):
    if not KEY.startswith(("sk_test_", "rk_test_")):
        pytest.skip("a key of Stripe's test mode is required. Set STRIPE_TEST_KEY=sk_test_...")
    from dressform.billing_server.payments import Gateway

    return Gateway(KEY, ("whsec_none",))


@pytest.fixture
def clock():
    from datetime import UTC, datetime

    return lambda: datetime.now(UTC)


@pytest.fixture
def payments(alone, engine, ledger, gateway, settings, clock):
    from dressform.billing_server.payments import Payments

    payments = Payments(engine, ledger, gateway, settings, clock)
    payments.reconcile(clock())
    return payments


def save(payments, account, card):
    """Saves a test card as the customer's default."""
    customer, v1 = payments._customer(account), payments._gateway._v1
    method = v1.payment_methods.attach(card, {"customer": customer})
    settings = {"invoice_settings": {"default_payment_method": method.id}}
    v1.customers.update(customer, settings)
    what = {"threshold_micro": CREDIT, "pack_id": "ten", "monthly_cap_minor": 1_000}
    payments.set_auto_top_up(account, enabled=True, **what)
    payments.due()


def test_a_checkout_is_opened_looked_up_and_closed(payments, account):
    url = "https://shop.example/credits"
    first = payments.checkout(account, "ten", key="k", return_url=url)
    assert first.url.startswith("https://checkout.stripe.com/")
    row = payments._order(first.order)
    seen = payments._look(row)
    assert (seen.state, seen.order, seen.net_minor) == ("open", first.order, 1_000)
    payments._gateway.expire(row.session_id)
    payments._finish(row)
    assert payments.order(account, first.order).state == "expired"


def test_a_top_up_is_charged_looked_up_and_refunded(payments, account, ledger):
    save(payments, account, "pm_card_visa")
    (bought,) = payments.purchases(account)
    assert bought.receipt_url.startswith("https://")
    assert payments.refund(account, bought.order, 4 * CREDIT, key="k").state == "done"
    row = payments._order(bought.order)
    assert payments._gateway.find_payment(row.customer, row.id, row.at) == row.payment_id
    assert ledger.balance(account).available == 6 * CREDIT


def test_a_decline_breaks_auto_top_up(payments, account):
    save(payments, account, "pm_card_chargeCustomerFail")
    assert payments.auto_top_up(account).state == "declined"


def test_three_d_secure_asks_for_the_customer(payments, account):
    save(payments, account, "pm_card_authenticationRequired")
    assert payments.auto_top_up(account).state == "authentication_required"


def test_events_are_listed(payments, account, clock):
    from datetime import timedelta

    save(payments, account, "pm_card_visa")
    assert payments.reconcile(clock() - timedelta(minutes=10)).events >= 1


def test_a_portal_is_opened(payments, account):
    try:
        url = payments.portal(account, "https://shop.example")
    except Exception as error:
        if "configuration" in str(error):
            pytest.skip("a portal is required. Save its settings in the dashboard of Stripe.")
        raise
    assert url.startswith("https://billing.stripe.com/")
