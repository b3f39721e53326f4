"""A Hypothesis state machine: customers and workers do what they like, at any time."""

import itertools
import math
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from dressform.billing_server.keys import Keys
from dressform.billing_server.ledger import InsufficientCreditsError, Ledger
from dressform.billing_server.ledger.pricing import price
from dressform.billing_server.runs.attempts import Attempts
from dressform.billing_server.runs.book import Runs
from dressform.billing_server.runs.leases import Leases
from dressform.billing_server.runs.values import ENDED, Caller, RunError
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from runs_given import BASE, CLASSES, CREDIT, graph

BEGIN = datetime(2026, 3, 31, 23, 0, tzinfo=UTC)
PICKS = st.integers(0, 30)
GPU_MS = st.integers(-1000, 200_000)
_numbers = itertools.count()


def machine(engine):
    """Returns the machine's class: two customers, three workers, one clock."""

    class Machine(RuleBasedStateMachine):
        @initialize(credits=st.tuples(st.integers(0, 30), st.integers(30, 90)))
        def begin(self, credits):
            self.now, number = BEGIN, next(_numbers)
            clock = lambda: self.now  # noqa: E731
            self.ledger = Ledger(engine, clock)
            self.runs = Runs(engine, self.ledger, clock)
            self.leases, self.attempts = Leases(self.runs), Attempts(self.runs)
            gpu = f"machine-gpu-{number}"
            self.rate = self.ledger.card.add(gpu, CREDIT, minimum_micro=7, valid_from=BEGIN)
            operator = self.ledger.open_account(f"machine-operator-{number}")
            _, key = Keys(engine, clock).create(operator, "worker", ["worker"])
            told = {"about": {}, "environment": "e", "digests": {}, "models": [BASE]}
            told["node_classes"] = CLASSES
            self.introduced = told
            self.gpu, self.key = gpu, key.id
            self.workers = [self.leases.hello(key.id, str(n), gpu, **told) for n in range(3)]
            self.accounts = []
            for n, amount in enumerate(credits):
                account = self.ledger.open_account(f"machine-runs-{number}-{n}")
                if amount:
                    self.ledger.grant(account, amount * CREDIT, "paid", key="g")
                self.accounts.append(account)
            self.paid = dict(zip(self.accounts, (n * CREDIT for n in credits), strict=True))
            self.submitted, self.most, self.tokens, self.ends = {}, {}, [], {}
            self.best = {}  # of a run: the most GPU time that a good token told

        @rule(
            who=st.integers(0, 1),
            again=st.booleans(),
            number=PICKS,
            most=st.sampled_from([None, 35, 60, 100]),
        )
        def submit(self, who, again, number, most=None):
            account = self.accounts[who]
            keys = [key for owner, key in self.submitted if owner == account]
            key = keys[number % len(keys)] if again and keys else f"k{len(self.submitted)}"
            most = self.most.setdefault((account, key), most and most * CREDIT)
            try:
                run, new = self.runs.submit(
                    Caller(account, "1"), graph(), key=key, gpu_class=self.gpu, max_micro=most
                )
            except (InsufficientCreditsError, RunError) as refusal:
                assert (account, key) not in self.submitted
                if refusal.code not in ("insufficient_credits", "max_cost"):
                    raise
                return
            assert new == ((account, key) not in self.submitted)
            assert self.submitted.setdefault((account, key), run.id) == run.id

        @rule(worker=st.integers(0, 2), busy_too=st.integers(0, 5))
        def lease(self, worker, busy_too):
            with engine.connect() as connection:
                sql = "SELECT FROM runs.attempt WHERE worker = :w AND ended_at IS NULL"
                busy = connection.execute(sa.text(sql), {"w": self.workers[worker]}).all()
            if busy and busy_too:
                return
            lease = self.leases.lease(self.key, self.workers[worker], (), None, 0)
            if lease:
                fences = [one.attempt for one, _ in self.tokens if one.run == lease.run]
                assert all(lease.attempt > one for one in fences)
                self.tokens.append([lease, self.now])

        def told(self, number, call, *more, **what):
            """A call with any token that there ever was; says whether it was taken."""
            lease, _ = self.tokens[-1 - min(number // 8, len(self.tokens) - 1)]
            newest = max(one.attempt for one, _ in self.tokens if one.run == lease.run)
            try:
                call(lease.run, lease.token, *more, **what)
            except RunError as error:
                if error.code != "stale_token":
                    raise
                return None
            assert lease.attempt == newest or call != self.attempts.heartbeat
            return lease

        @precondition(lambda self: self.tokens)
        @rule(beats=st.integers(1, 6), seconds=st.integers(1, 29))
        def go_on(self, beats, seconds):
            """The latest attempt, if it still is one, works for a while."""
            for _ in range(beats):
                self.now += timedelta(seconds=seconds)
                self.told(0, self.attempts.heartbeat, 10**6)

        @precondition(lambda self: self.tokens)
        @rule(number=PICKS, gpu_ms=GPU_MS)
        def heartbeat(self, number, gpu_ms):
            self.told(number, self.attempts.heartbeat, gpu_ms)

        @precondition(lambda self: self.tokens)
        @rule(number=PICKS, gpu_ms=GPU_MS, twice=st.booleans())
        def complete(self, number, gpu_ms, twice):
            if self.told(number, self.attempts.complete, gpu_ms) and twice:
                assert self.told(number, self.attempts.complete, gpu_ms + 5)

        @precondition(lambda self: self.tokens)
        @rule(number=PICKS, gpu_ms=GPU_MS, fault=st.sampled_from(["workflow", "worker"]))
        def fail(self, number, gpu_ms, fault):
            self.told(number, self.attempts.fail, gpu_ms, fault=fault, code="x", message="")

        @precondition(lambda self: self.submitted)
        @rule(number=PICKS)
        def cancel(self, number):
            (account, _), run = list(self.submitted.items())[number % len(self.submitted)]
            before = self.runs.get(account, run)
            after = self.runs.cancel(account, run)
            assert after.state == {"queued": "canceled", "running": "canceling"}.get(
                before.state, before.state
            )

        @rule(seconds=st.sampled_from([1, 2, 4, 9, 16, 29, 31]), hours=st.integers(-15, 9))
        def wait(self, seconds, hours):
            self.now += timedelta(seconds=seconds, hours=max(0, hours - 6) * 3)

        @rule()
        def sweep(self):
            self.attempts.sweep()

        @rule()
        def expire_holds(self):
            self.ledger.expire_due()

        @rule(back=st.booleans())
        def drain(self, back):
            if back:
                self.leases.hello(self.key, "2", self.gpu, **self.introduced)
            else:
                self.leases.goodbye(self.key, self.workers[2])

        @rule(who=st.integers(0, 1), worker=st.integers(0, 1))
        def submit_and_lease(self, who, worker):
            self.submit(who, False, 0)
            self.lease(worker, 1)

        @invariant()
        def ended_runs_stay_as_they_are(self):
            for (account, key), id_ in getattr(self, "submitted", {}).items():
                run = self.runs.get(account, id_)
                assert max(run.held, run.charged or 0) <= (self.most[account, key] or math.inf)
                if run.state in ENDED:
                    end = run.state, run.charged, run.completed_at
                    assert self.ends.setdefault(id_, end) == end
                    assert run.state in ("succeeded", "canceled", "failed") or run.charged == 0
                    assert run.charged <= price(self.rate, run.gpu_ms)
                else:
                    assert run.charged is None
                    assert id_ not in self.ends

        @invariant()
        def what_is_held_and_spent_is_what_runs_say(self):
            for account in getattr(self, "accounts", ()):
                runs = self.runs.page(account, limit=100)
                balance = self.ledger.balance(account)
                held = sum(one.held for one in runs if one.state not in ENDED)
                assert balance.held <= held  # a hold that nobody prolonged may have lapsed
                assert self.paid[account] - balance.available - balance.held == sum(
                    one.charged or 0 for one in runs
                )

        def teardown(self):
            if not hasattr(self, "accounts"):
                return
            self.runs.bells.stop()
            for _ in range(4):  # attempts, each of which is lost
                self.now += timedelta(hours=7)
                self.attempts.sweep()
            for account in self.accounts:
                assert all(one.state in ENDED for one in self.runs.page(account, limit=100))
                assert self.ledger.balance(account).held == 0
            ends = [line.movement for a in self.accounts for line in self.ledger.statement(a)]
            captured = [one.run for one in ends if one.kind == "capture"]
            assert len(captured) == len(set(captured))

    return Machine
