"""A Hypothesis state machine: random histories of one account, on PostgreSQL and on the model."""

import itertools
import threading
from datetime import UTC, datetime, timedelta

from dressform.billing_server.ledger import Ledger, LedgerError, Request
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from ledger_model import Model

AMOUNTS = st.integers(1, 30)
PICKS = st.integers(0, 30)
SECONDS = st.integers(0, 40)
CONCURRENT = st.sampled_from(["hold", "capture", "release", "same", "refund"])
BEGIN = datetime(2026, 3, 31, 23, 59, tzinfo=UTC)  # a month ends in every history
_numbers = itertools.count()


def answer_of(result):
    """What a history compares: the movement without what differs by account, or the code."""
    if isinstance(result, LedgerError):
        return result.code
    return result.seq, result.kind, result.amount, result.available, result.held


def machine(engines, rate, debt=0):
    """Returns the machine's class: two sessions, one account that owes so much, one clock."""

    class Machine(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.now = BEGIN
            self.ledgers = [Ledger(engine, lambda: self.now) for engine in engines]
            self.model, self.history, self.asked = Model(), [], []

        @initialize()
        def open(self):
            self.account = self.ledgers[0].open_account(f"machine-{next(_numbers)}")
            if debt:
                self.owe()
            # With something to spend: half of the histories draw no grant, or none in time.
            soon = {"priority": 0, "expires_at": self.later(20)}
            self.ask(self.request("grant", 12, grant_kind="promotional", **soon))
            self.ask(self.request("grant", 12, grant_kind="paid", priority=0))

        def owe(self):
            """Loses a payment that is spent: by chance few histories get so far."""
            self.ask(self.request("grant", debt, grant_kind="paid", priority=0))
            self.ask(self.request("hold", debt, expires_at=self.later(1)))
            self.ask(self.request("capture", debt, 2, gpu_ms=0))
            self.ask(self.request("dispute_open", debt, 1))
            self.ask(self.request("dispute_lost", None, 4))

        def later(self, seconds):
            return self.now + timedelta(seconds=seconds)

        def request(self, kind, amount=None, names=None, **what):
            key = what.pop("key", f"key-{len(self.asked)}")
            if kind == "capture":
                what["rate"] = rate
            self.asked.append(Request(kind, self.account, key, amount, names, **what))
            return self.asked[-1]

        def ask(self, request):
            expected = self.model.apply(request, self.now)
            got = self.submit(0, request)
            assert got == expected, (request, self.now)
            self.history.append((self.now, request, got))

        def submit(self, session, request):
            try:
                return answer_of(self.ledgers[session].submit(request))
            except LedgerError as error:
                return error.code

        def pick(self, number, *kinds):
            """A movement of these kinds, the latest most often; now and then any number."""
            fitting = [seq for seq, kind in self.model.kinds.items() if kind in kinds]
            if not fitting or number == 30:
                return number + 1
            return fitting[-1 - number // 4 % len(fitting)]

        @rule(
            kind=st.sampled_from(["paid", "promotional", "goodwill"]),
            amount=AMOUNTS,
            priority=st.integers(0, 2),
            begins=st.none() | SECONDS,
            ends=st.none() | SECONDS,
        )
        def grant(self, kind, amount, priority, begins, ends):
            times = {
                "effective_at": None if begins is None else self.later(begins // 4),
                "expires_at": None if ends is None or kind == "paid" else self.later(ends),
            }
            self.ask(self.request("grant", amount, grant_kind=kind, priority=priority, **times))

        @rule(amount=AMOUNTS, seconds=SECONDS)
        def hold(self, amount, seconds):
            self.ask(self.request("hold", amount, expires_at=self.later(seconds)))

        @rule(number=PICKS, amount=st.integers(0, 9), seconds=st.none() | SECONDS)
        def extend(self, number, amount, seconds):
            until = None if seconds is None else self.later(seconds)
            self.ask(self.request("extend", amount, self.pick(number, "hold"), expires_at=until))

        @rule(number=PICKS, gpu_ms=st.integers(0, 99), amount=st.none() | AMOUNTS)
        def capture(self, number, gpu_ms, amount):
            hold = self.pick(number, "hold")
            self.ask(self.request("capture", amount, hold, gpu_ms=gpu_ms))

        @rule(number=PICKS)
        def release(self, number):
            self.ask(self.request("release", None, self.pick(number, "hold")))

        @rule(number=PICKS, amount=st.none() | AMOUNTS)
        def reverse(self, number, amount):
            self.ask(self.request("reversal", amount, self.pick(number, "capture")))

        @rule(number=PICKS, amount=AMOUNTS)
        def refund(self, number, amount):
            self.ask(self.request("refund", amount, self.pick(number, "grant")))

        @rule(number=PICKS)
        def cancel_refund(self, number):
            self.ask(self.request("refund_cancel", None, self.pick(number, "refund")))

        @rule(number=PICKS, amount=AMOUNTS)
        def dispute(self, number, amount):
            self.ask(self.request("dispute_open", amount, self.pick(number, "grant")))

        @rule(number=PICKS, end=st.sampled_from(["dispute_won", "dispute_lost"]))
        def end_dispute(self, number, end):
            self.ask(self.request(end, None, self.pick(number, "dispute_open")))

        @rule(seconds=st.integers(1, 20))
        def wait(self, seconds):
            self.now = self.later(seconds)

        @rule(limit=st.integers(1, 9))
        def expire(self, limit):
            ended = 0
            for movement in self.ledgers[0].expire_due(limit=10_000):
                if movement.account == self.account:
                    ended += 1
                    request = Request(
                        movement.kind, self.account, movement.key, None, movement.names
                    )
                    assert answer_of(movement) == self.model.apply(request, self.now)
                    self.history.append((self.now, request, answer_of(movement)))
            # What a hold gives back to a lapsed grant is for the next time.
            assert ended or not self.model.due(self.now)

        @rule(number=PICKS)
        def repeat(self, number):
            if self.asked:
                self.ask(self.asked[-1 - number % len(self.asked)])

        @rule(number=PICKS, amount=AMOUNTS)
        def reuse_key(self, number, amount):
            if self.asked:
                key = self.asked[-1 - number % len(self.asked)].key
                self.ask(self.request("hold", amount, key=key, expires_at=self.later(9)))

        @rule(
            kinds=st.tuples(CONCURRENT, CONCURRENT),
            number=PICKS,
            amounts=st.tuples(AMOUNTS, AMOUNTS),
        )
        def at_once(self, kinds, number, amounts):
            """Two sessions at the same time: as if one had come after the other."""
            pair = [self.concurrent(*one, number) for one in zip(kinds, amounts, strict=True)]
            got = [None, None]
            barrier = threading.Barrier(2)

            def run(session):
                barrier.wait()
                try:
                    got[session] = self.submit(session, pair[session])
                except Exception as error:
                    got[session] = error

            threads = [threading.Thread(target=run, args=(session,)) for session in (0, 1)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for order in ((0, 1), (1, 0)):
                model, expected = self.model.copy(), [None, None]
                for session in order:
                    expected[session] = model.apply(pair[session], self.now)
                if got == expected:
                    self.model = model
                    self.history += [(self.now, pair[one], got[one]) for one in order]
                    return
            raise AssertionError((pair, got, expected))

        def concurrent(self, kind, amount, number):
            if kind == "same" and self.asked:
                return self.asked[-1]
            if kind == "capture":
                hold = self.pick(number, "hold")
                return self.request("capture", None, hold, gpu_ms=amount)
            if kind == "release":
                return self.request("release", None, self.pick(number, "hold"))
            if kind == "refund":
                return self.request("refund", amount, self.pick(number, "grant"))
            return self.request("hold", amount, expires_at=self.later(30))

        @invariant()
        def balances_agree(self):
            if not hasattr(self, "account"):
                return
            balance = self.ledgers[0].balance(self.account)
            model = self.model
            pots = {
                seq: tuple(grant[pot] for pot in ("available", "held", "frozen", "returned"))
                for seq, grant in model.grants.items()
                if grant["available"] or grant["held"] or grant["frozen"]
            }
            assert {one.seq: one[7:11] for one in balance.grants} == pots
            assert balance[:3] == (
                model.can_spend(self.now),
                model.total("held"),
                model.total("frozen"),
            )

        def teardown(self):
            if hasattr(self, "account"):
                self.sums_agree()
                self.replay()

        def sums_agree(self):
            """Every prefix of the statement sums to the balance that its last movement states."""
            totals, ends = {}, []
            for line in reversed(self.ledgers[0].statement(self.account, limit=1000)):
                assert sum(entry.amount for entry in line.entries) == 0
                for entry in line.entries:
                    totals[entry.book] = totals.get(entry.book, 0) + entry.amount
                stated = line.movement.available, line.movement.held
                assert stated == (totals.get("available", 0), totals.get("held", 0))
                if line.movement.kind in ("capture", "release", "lapse"):
                    ends.append(line.movement.names)
            assert len(ends) == len(set(ends))

        def replay(self):
            """A prefix of the history, in batches, in another account: the same answers."""
            self.account = self.ledgers[0].open_account(f"machine-{next(_numbers)}")
            prefix = self.history[: len(self.history) * 2 // 3]
            for now, group in itertools.groupby(prefix, key=lambda one: one[0]):
                self.now, (_, requests, expected) = now, zip(*group, strict=True)
                requests = [one._replace(account=self.account) for one in requests]
                answers = self.ledgers[0].batch(requests)
                assert [answer_of(one) for one in answers] == list(expected)

    return Machine
