"""Long random walks: whatever happens in whatever order, credits and money agree in the end."""

import random
from contextlib import suppress

import pytest

CARDS = {
    "4242424242424242": 6,
    "4000000000000002": 1,
    "4000002500003155": 1,
    "4000000000000259": 1,
    "4000000000005423": 1,
    "bank": 2,
}
PLACES = (
    "POST /v1/checkout",
    "POST /v1/refunds",
    "POST /v1/customers",
    "POST /v1/payment_intents",
    "GET",
)
FAULTS = ("lost", "lost_after", "error", "error_after", "busy", "conflict")
STEPS = 40


class Walk:
    def __init__(self, shop, clock, seed):
        self.shop, self.clock, self.random = shop, clock, random.Random(seed)  # noqa: S311
        self.urls, self.lost = [], []

    def some(self, things):
        return self.random.choice(things) if things else None

    def payments(self, *states):
        return [one for one in self.shop.things("payment_intent") if one["status"] in states]

    def order(self):
        self.urls.append(self.shop.order(self.random.choice(("ten", "hundred"))).url)

    def pay(self):
        if url := self.some(self.urls):
            (card,) = self.random.choices(list(CARDS), CARDS.values())
            answers = {"answer": self.random.choice(("yes", "no"))} if card.endswith("3155") else {}
            self.shop.pay(url, card, **answers)

    def settle(self):
        if payment := self.some(self.payments("processing")):
            self.shop.bank(self.random.choice(("settle", "bounce")), payment["id"])

    def refund(self):
        if one := self.some(self.shop.payments.purchases(self.shop.account)):
            amount = self.random.randint(1, one.credits_micro)
            key = f"refund-{next(self.shop.numbers)}"
            self.shop.payments.refund(self.shop.account, one.order, amount, key=key)

    def refund_at_stripe(self):
        with suppress(AssertionError):  # there may be nothing left
            if payment := self.some(self.payments("succeeded")):
                amount = self.random.randint(1, payment["amount"])
                self.shop.bank("refund", payment["id"], amount=amount)

    def dispute(self):
        payment = self.some(self.payments("succeeded"))
        if payment and not self.disputes(payment):
            self.shop.bank("dispute", payment["id"])

    def disputes(self, payment, *states):
        found = self.shop.simulator.world.all("dispute", payment_intent=payment["id"])
        return [one for one in found if not states or one["status"] in states]

    def decide(self):
        waiting = [one for one in self.shop.things("dispute") if one["status"] == "needs_response"]
        if dispute := self.some(waiting):
            self.shop.bank(self.random.choice(("won", "lost")), dispute["id"])

    def fail_refund(self):
        sent = [one for one in self.shop.things("refund") if one["status"] == "succeeded"]
        refund = self.some(sent)
        if refund and not self.disputes({"id": refund["payment_intent"]}, "lost"):
            self.shop.bank("fail_refund", refund["id"])

    def deliver(self):
        events = self.shop.events() + self.lost
        self.random.shuffle(events)
        cut = self.random.randint(0, len(events))
        self.lost = events[cut:]
        for number, event in enumerate(events[:cut]):
            try:
                self.shop.send(event)
            except Exception:
                self.lost += events[number:cut]
                raise

    def fault(self):
        at, kind = self.random.choice(PLACES), self.random.choice(FAULTS)
        self.shop.fault({"at": at, "kind": kind, "times": self.random.randint(1, 3)})

    def top_up(self):
        what = {"threshold_micro": self.random.choice((0, 10**9)), "pack_id": "ten"}
        what |= {"enabled": True, "monthly_cap_minor": 3_000}
        self.shop.payments.set_auto_top_up(self.shop.account, **what)

    def wait(self):
        self.clock.advance(minutes=self.random.choice((1, 10, 70)))
        self.shop.payments.due()

    def step(self):
        from dressform.billing_server.ledger import LedgerError
        from dressform.billing_server.payments import PaymentError

        acts = (self.order, self.pay, self.pay, self.settle, self.refund, self.refund_at_stripe)
        acts += (
            self.dispute,
            self.decide,
            self.fail_refund,
            self.deliver,
            self.deliver,
            self.fault,
        )
        acts += (self.top_up, self.wait, self.wait)
        with suppress(LedgerError, PaymentError):
            self.random.choice(acts)()

    def heal(self):
        self.shop.fault()
        while any(one["status"] == "needs_response" for one in self.shop.things("dispute")):
            self.decide()
        for _ in range(5):
            events, self.lost = self.shop.events() + self.lost, []
            events *= 2
            self.random.shuffle(events)
            for event in events:
                self.shop.send(event)
            self.clock.advance(minutes=40)
            self.shop.payments.due()


@pytest.mark.parametrize("seed", range(16))
def test_credits_and_money_agree_after_any_walk(shop, clock, seed, clean):
    walk = Walk(shop, clock, seed)
    for _ in range(STEPS):
        walk.step()
    walk.heal()
    paid = {one.order: one for one in shop.payments.purchases(shop.account)}
    came = {one["metadata"]["order"]: one for one in walk.payments("succeeded")}
    assert paid.keys() == came.keys()
    left = {one.seq: one for one in shop.ledger.balance(shop.account).grants}
    for order, bought in paid.items():
        payment, row = came[order], shop.row(order)
        assert payment["amount"] == bought.paid_minor
        refunds = shop.simulator.world.all("refund", payment_intent=payment["id"])
        sent = sum(one["amount"] for one in refunds if one["status"] == "succeeded")
        lost = sum(one["amount"] for one in walk.disputes(payment, "lost"))
        gone = min(bought.paid_minor, sent + lost)
        worth = bought.credits_micro * (bought.paid_minor - gone) / bought.paid_minor
        grant = left.get(row.grant_seq)
        kept = grant.available + grant.frozen if grant else 0
        cent = bought.credits_micro / bought.paid_minor * (1 + len(refunds))
        assert abs(kept - worth) <= cent, (order, kept, worth)
