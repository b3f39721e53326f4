"""A simulator for each test, the real SDK against it, and a bank's customer with a browser."""

import json
import random

import pytest

WEBHOOK_SECRET = "whsec_of_the_test"
PACK = "ten"  # 10 credits for 10.00 USD
BIG = "hundred"  # 105 credits for 99.99 USD: prices that do not divide


@pytest.fixture
def simulator(server, clock):
    from dressform.billing_server.payments import simulator

    running = simulator.start(secret=WEBHOOK_SECRET, clock=lambda: clock.now.timestamp())
    yield running
    running.stop()


@pytest.fixture
def settings(tmp_path):
    from dressform.billing_server.settings import Pack, Settings

    packs = Pack(PACK, 10_000_000, 1_000, "usd"), Pack(BIG, 105_000_000, 9_999, "usd")
    return Settings(data=tmp_path, secret_key="x", packs=packs)


@pytest.fixture
def gateway(engine, simulator):
    """The real one; it also sees to it that no transaction is open while Stripe is asked."""
    from dressform.billing_server.payments import Gateway

    class Watched(Gateway):
        def _ask(self, call, *arguments, key=None):
            assert engine.pool.checkedout() == 0, "a transaction is open while Stripe is asked"
            self.asked.append(call.__qualname__)
            return super()._ask(call, *arguments, key=key)

    gateway = Watched("sk_test_1", (WEBHOOK_SECRET,), base_url=simulator.url, retries=0)
    gateway.asked = []
    return gateway


@pytest.fixture
def alone(engine):
    """Nothing of other tests is due any more: all share a database."""
    import sqlalchemy as sa

    with engine.begin() as connection:
        for table, what in (
            ("pack_order", "next_at = NULL"),
            ("refund", "next_at = NULL"),
            ("auto_top_up", "enabled = false"),
        ):
            connection.execute(sa.text(f"UPDATE payments.{table} SET {what}"))


@pytest.fixture
def unwatched(gateway, monkeypatch):
    """For tests with threads: some have transactions open while others ask Stripe."""
    from dressform.billing_server.payments import Gateway

    monkeypatch.setattr(type(gateway), "_ask", Gateway._ask)


@pytest.fixture
def payments(alone, engine, ledger, gateway, settings, clock):
    from dressform.billing_server.payments import Payments

    payments = Payments(engine, ledger, gateway, settings, clock)
    payments.reconcile(clock.now)  # not again within the hour, so that `due` must do without
    return payments


@pytest.fixture
def shop(payments, simulator, account, ledger):
    return Shop(payments, simulator, account, ledger)


class Shop:
    """A customer who buys, a bank that does what banks do, and webhooks on their way."""

    def __init__(self, payments, simulator, account, ledger):
        self.payments, self.simulator = payments, simulator
        self.account, self.ledger = account, ledger
        self.delivered = 0
        self.numbers = iter(range(1000))

    # The customer

    def order(self, pack=PACK, key=None, **options):
        key = key or f"key-{next(self.numbers)}"
        url = "https://shop.example/credits"
        return self.payments.checkout(self.account, pack, key=key, return_url=url, **options)

    def pay(self, url, card="4242424242424242", **answers):
        """Fills the page in; returns the answer to the last form."""
        import requests

        answer = requests.post(url, {"card": card}, allow_redirects=False, timeout=10)
        if answers:
            answer = requests.post(
                f"{url}/authenticate", answers, allow_redirects=False, timeout=10
            )
        return answer

    def buy(self, pack=PACK, card="4242424242424242", **answers):
        """Orders, pays, and has the webhooks delivered; returns the order's id."""
        checkout = self.order(pack)
        self.pay(checkout.url, card, **answers)
        self.deliver()
        return checkout.order

    def state(self, order):
        return self.payments.order(self.account, order).state

    def available(self):
        return self.ledger.balance(self.account).available

    def grants(self):
        lines = self.ledger.statement(self.account, limit=1000)
        return [line.movement for line in lines if line.movement.kind == "grant"]

    def purchase(self, order):
        return next(one for one in self.payments.purchases(self.account) if one.order == order)

    def row(self, order):
        return self.payments._order(order)

    # Stripe

    def bank(self, what, id_, **amounts):
        import requests

        url = f"{self.simulator.url}/_do/{what}/{id_}"
        answer = requests.post(url, params=amounts, timeout=10)
        assert answer.ok, answer.text
        return answer.json()

    def fault(self, *faults):
        import requests

        requests.post(f"{self.simulator.url}/_faults", json=faults, timeout=10)

    def things(self, kind):
        return self.simulator.world.all(kind)

    def events(self):
        """The events that were not delivered yet."""
        events = self.simulator.world.events[self.delivered :]
        self.delivered += len(events)
        return events

    def send(self, event, *secrets, at=None):
        from dressform.billing_server.payments.simulator import delivery

        body = json.dumps(event).encode()
        header = delivery.sign(body, *(secrets or [WEBHOOK_SECRET]), at=at)
        return self.payments.receive(body, header)

    def deliver(self, times=1, seed=None):
        """Sends what waits, so many times, shuffled by a seed; returns what came of each."""
        events = self.events() * times
        if seed is not None:
            random.Random(seed).shuffle(events)  # noqa: S311
        return [self.send(event) for event in events]

    def mails(self, topic=None):
        import sqlalchemy as sa

        with self.payments._engine.connect() as connection:
            sql = "SELECT topic, payload FROM ledger.outbox WHERE account_id = :a ORDER BY id"
            rows = connection.execute(sa.text(sql), {"a": self.account}).all()
        return [row.payload for row in rows if topic in (None, row.topic)]
