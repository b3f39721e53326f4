"""What Stripe did not answer is found out; what died half-way is finished."""

from contextlib import contextmanager

import pytest
import sqlalchemy as sa

CREDIT = 1_000_000
FAULTS = ("lost", "lost_after", "error", "error_after", "busy", "conflict")


def until_settled(shop, clock, **step):
    """Lets two hours go by: the third try, the list, and giving up are all in it."""
    for _ in range(6):
        clock.advance(**(step or {"minutes": 25}))
        shop.payments.due()
        shop.deliver()


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("place", ["customers", "checkout/sessions"])
def test_a_checkout_that_is_not_answered_is_one_order(shop, kind, place, clean):
    from dressform.billing_server.payments.values import RefusedError, UnknownOutcomeError

    shop.fault({"at": f"POST /v1/{place}", "kind": kind})
    with pytest.raises((UnknownOutcomeError, RefusedError)) as error:
        shop.order(key="k")
    if error.type is UnknownOutcomeError:
        checkout = shop.order(key="k")
    else:  # Stripe keeps its error for the key
        assert (place, kind.startswith("error")) == ("checkout/sessions", True)
        checkout = shop.order(key="another")
    shop.pay(checkout.url)
    shop.deliver()
    assert shop.available() == 10 * CREDIT
    lost = kind == "error_after" and place == "checkout/sessions"  # its address is nobody's
    assert len(shop.things("checkout.session")) == (2 if lost else 1)


def test_a_checkout_that_its_client_gave_up_is_opened_once_and_expires(shop, clock, clean):
    from dressform.billing_server.payments.values import UnknownOutcomeError

    shop.fault({"at": "POST /v1/checkout", "kind": "lost_after"})
    with pytest.raises(UnknownOutcomeError):
        shop.order(key="k")
    clock.advance(minutes=2)
    shop.payments.due()
    checkout = shop.order(key="k")
    assert shop.state(checkout.order) == "open"
    assert len(shop.things("checkout.session")) == 1


def test_a_checkout_that_could_not_be_opened_for_an_hour_expires(shop, clock):
    from dressform.billing_server.payments.values import RefusedError, UnknownOutcomeError

    shop.fault({"at": "POST /v1/checkout", "kind": "lost", "times": 99})
    with pytest.raises(UnknownOutcomeError):
        shop.order(key="k")
    until_settled(shop, clock)
    with pytest.raises(RefusedError, match="could not be opened"):
        shop.order(key="k")


def refund(shop, order):
    return shop.payments.refund(shop.account, order, 4 * CREDIT, key="k").state


@pytest.mark.parametrize("kind", FAULTS)
def test_a_refund_that_is_not_answered_is_sent_once(shop, clock, kind, clean):
    order = shop.buy()
    shop.fault({"at": "POST /v1/refunds", "kind": kind})
    assert refund(shop, order) == "pending"
    assert shop.available() == 6 * CREDIT  # out of reach until it is known
    until_settled(shop, clock)
    (sent,) = shop.things("refund")
    assert (sent["amount"], shop.available()) == (400, 6 * CREDIT)
    assert refund(shop, order) == "done"


def test_a_refund_that_stripe_never_made_gives_the_credits_back(shop, clock, clean):
    order = shop.buy()
    shop.fault({"at": "POST /v1/refunds", "kind": "lost", "times": 99})
    assert refund(shop, order) == "pending"
    until_settled(shop, clock)
    assert (refund(shop, order), shop.available()) == ("failed", 10 * CREDIT)
    assert len(shop.mails("refund_failed")) == 1


def test_a_refund_that_turns_up_after_it_was_given_up_takes_the_credits(shop, clock, clean):
    order, world = shop.buy(), shop.simulator.world
    shop.fault({"at": "POST /v1/refunds", "kind": "lost_after"})
    assert refund(shop, order) == "pending"
    hidden, told = world.things.pop(shop.things("refund")[0]["id"]), world.events[-2:]
    del world.events[-2:]
    clock.advance(hours=2)
    shop.payments.due()
    assert (refund(shop, order), shop.available()) == ("failed", 10 * CREDIT)
    world.things[hidden["id"]] = hidden
    world.events += told
    shop.deliver(times=3, seed=1)
    assert shop.available() == 6 * CREDIT


def low(shop):
    shop.buy()
    what = {"threshold_micro": 11 * CREDIT, "pack_id": "ten", "monthly_cap_minor": 1_000}
    shop.payments.set_auto_top_up(shop.account, enabled=True, **what)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_top_up_that_is_not_answered_is_charged_once(shop, clock, kind, clean):
    low(shop)
    shop.fault({"at": "POST /v1/payment_intents", "kind": kind})
    shop.payments.due()
    shop.events()  # their webhooks are lost
    assert shop.available() == 10 * CREDIT
    for _ in range(6):
        clock.advance(minutes=25)
        shop.payments.due()
        shop.events()
    charged = [one for one in shop.things("payment_intent") if one["status"] == "succeeded"]
    assert (len(charged), shop.available()) == (2, 20 * CREDIT)


def test_a_top_up_that_stripe_never_made_ends_it(shop, clock, clean):
    low(shop)
    shop.fault({"at": "POST /v1/payment_intents", "kind": "lost", "times": 999})
    shop.payments.due()
    until_settled(shop, clock)
    setting = shop.payments.auto_top_up(shop.account)
    assert (setting.enabled, setting.reason) == (False, "The card could not be charged.")
    assert shop.available() == 10 * CREDIT


def test_a_wrong_key_of_stripe_loses_no_order(shop, clock, gateway, clean):
    from dressform.billing_server.payments import Gateway
    from dressform.billing_server.payments.values import UnknownOutcomeError

    wrong = Gateway("rk_test_1", (), base_url=shop.simulator.url, retries=0)
    shop.payments._gateway = wrong
    with pytest.raises(UnknownOutcomeError, match="AuthenticationError 401"):
        shop.order(key="k")
    shop.payments._gateway = gateway
    shop.pay(shop.order(key="k").url)
    shop.deliver()
    assert shop.available() == 10 * CREDIT


def test_stripe_that_is_away_is_an_unknown_outcome(shop):
    from dressform.billing_server.payments import Gateway
    from dressform.billing_server.payments.values import UnknownOutcomeError

    away = Gateway("sk_test_1", (), base_url="http://127.0.0.1:9", retries=0, timeout_s=1)
    shop.payments._gateway = away
    with pytest.raises(UnknownOutcomeError, match="got APIConnectionError"):
        shop.order()


def test_one_order_that_cannot_be_finished_does_not_hold_up_the_others(shop, clock, monkeypatch):
    first, second = shop.order(), shop.order()
    shop.pay(first.url)
    shop.pay(second.url)
    clock.advance(minutes=2)
    look = shop.payments._look

    def failing(order, *more):
        if order.id == first.order:
            raise ZeroDivisionError
        return look(order, *more)

    monkeypatch.setattr(shop.payments, "_look", failing)
    with pytest.raises(ZeroDivisionError):
        shop.payments.due()
    assert (shop.state(first.order), shop.state(second.order)) == ("open", "paid")


def test_attack_28_a_clock_that_jumps_charges_nobody_twice(shop, clock, clean):
    clock.advance(hours=10)
    low(shop)
    shop.fault({"at": "POST /v1/payment_intents", "kind": "lost_after"})
    shop.payments.due()
    clock.advance(hours=-10)
    until_settled(shop, clock)
    clock.advance(hours=20)
    until_settled(shop, clock)
    charged = [one for one in shop.things("payment_intent") if one["status"] == "succeeded"]
    assert (len(charged), len(shop.grants())) == (2, 2)


def test_a_database_that_is_away_is_an_unavailable_one(shop):
    from dressform.billing_server.ledger import UnavailableError

    shop.payments._engine = sa.create_engine("postgresql+psycopg://x@127.0.0.1:9/x")
    with pytest.raises(UnavailableError, match="a database that answers is required"):
        shop.payments.purchases(shop.account)


def test_a_transaction_that_is_open_while_stripe_is_asked_would_be_seen(shop):
    with shop.payments._transaction(), pytest.raises(AssertionError, match="a transaction is open"):
        shop.payments._gateway.find_session("pi_1")


# Death between any two steps


class Death(BaseException):
    """The process ends here."""


class Fate:
    """Ends the process at one of its steps: around each commit, around each call of Stripe."""

    def __init__(self):
        self.steps, self.last = 0, None

    def step(self):
        self.steps += 1
        if self.steps == self.last:
            raise Death


def mortal(payments, fate):
    """Returns payments of a new process."""
    from dressform.billing_server.payments import Gateway, Payments

    class Mortal(Payments):
        @contextmanager
        def _transaction(self):
            with super()._transaction() as connection:
                yield connection
                fate.step()
            fate.step()

    class MortalGateway(Gateway):
        def _ask(self, call, *arguments, key=None):
            assert payments._engine.pool.checkedout() == 0
            fate.step()
            answer = super()._ask(call, *arguments, key=key)
            fate.step()
            return answer

    old = payments._gateway
    gateway = MortalGateway.__new__(MortalGateway)
    gateway.__dict__ |= {name: vars(old)[name] for name in ("livemode", "_secrets", "_v1")}
    means = payments._engine, payments._ledger, gateway, payments._settings, payments._clock
    return Mortal(*means)


def live_through(shop, clock, fate, *, webhooks):
    """A purchase, a part refunded, a top-up; whoever does not get an answer asks again."""
    from dressform.billing_server.payments.gateway import HANDLED

    order, payments = None, shop.payments

    def ordered():
        nonlocal order
        checkout = shop.order(key="order")
        if order is None:
            shop.pay(checkout.url)
        order = checkout.order

    def told():
        if webhooks:
            while shop.delivered < len(shop.simulator.world.events):
                event = shop.simulator.world.events[shop.delivered]
                if event["type"] in HANDLED:
                    shop.send(event)
                shop.delivered += 1
        else:
            clock.advance(minutes=2)
            shop.payments.due()

    def refunded():
        shop.payments.refund(shop.account, order, 4 * CREDIT, key="refund")

    def topped_up():
        low_at = {"threshold_micro": 7 * CREDIT, "pack_id": "ten", "monthly_cap_minor": 1_000}
        shop.payments.set_auto_top_up(shop.account, enabled=True, **low_at)
        shop.payments.due()

    shop.payments = mortal(payments, fate)
    for act in (ordered, told, refunded, topped_up, told):
        while True:
            try:
                act()
                break
            except Death:
                shop.payments = mortal(payments, fate)
                clock.advance(minutes=2)
                shop.payments.due()
    shop.payments = payments
    clock.advance(minutes=2)
    shop.payments.due()
    if webhooks:
        shop.deliver(times=2, seed=fate.last)


@pytest.mark.parametrize("webhooks", [True, False], ids=["webhooks", "no webhooks"])
def test_a_process_may_die_between_any_two_steps(shop, clock, ledger, references, webhooks, clean):
    fate, deaths = Fate(), 0
    while fate.last is None or fate.steps >= fate.last:
        fate = Fate() if fate.last is None and not deaths else fate
        deaths += 1
        fate.steps, fate.last = 0, deaths
        clock.advance(minutes=30)
        shop.payments.reconcile(clock.now)
        shop.account = ledger.open_account(next(references))
        shop.delivered = len(shop.simulator.world.events)
        live_through(shop, clock, fate, webhooks=webhooks)
        told = f"after death at step {deaths}"
        assert shop.available() == 16 * CREDIT, told
        with shop.payments._engine.connect() as connection:
            sql = "SELECT id, state FROM payments.pack_order WHERE account_id = :a"
            orders = dict(connection.execute(sa.text(sql), {"a": shop.account}).all())
            sql = "SELECT id, state FROM payments.refund WHERE account_id = :a"
            refunds = dict(connection.execute(sa.text(sql), {"a": shop.account}).all())
        assert sorted(orders.values()) == ["paid", "paid"], told
        assert list(refunds.values()) == ["done"], told
        charged = [one["metadata"].get("order") for one in shop.things("payment_intent")]
        assert sorted(one for one in charged if one in orders) == sorted(orders), told
        sent = [one for one in shop.things("refund") if one["metadata"]["refund"] in refunds]
        assert [one["amount"] for one in sent] == [400], told
    assert deaths > 30


def test_five_processes_at_once_finish_everything_once(shop, clock, unwatched, clean):
    from concurrent.futures import ThreadPoolExecutor

    order = shop.buy()
    for _ in range(4):
        shop.pay(shop.order().url)
    shop.fault({"at": "POST /v1/refunds", "kind": "lost_after"})
    assert refund(shop, order) == "pending"
    what = {"threshold_micro": 500 * CREDIT, "pack_id": "ten", "monthly_cap_minor": 1_000}
    shop.payments.set_auto_top_up(shop.account, enabled=True, **what)
    clock.advance(minutes=2)
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda _: shop.payments.due(), range(10)))
    assert len(shop.grants()) == 6
    assert (shop.available(), len(shop.things("refund"))) == (56 * CREDIT, 1)


def test_a_round_ends_when_stripe_is_away(shop, clock, gateway):
    for _ in range(3):
        shop.order()
    clock.advance(minutes=2)
    shop.fault({"at": "GET /v1/checkout", "kind": "lost", "times": 99})
    gateway.asked.clear()
    shop.payments.due()
    assert len(gateway.asked) == 1
