"""A run is submitted, worked on and ended once."""

import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
from dressform.billing_server.ledger import InsufficientCreditsError
from dressform.billing_server.runs.values import FIRST_MS, RunError

sys.path.append(str(Path(__file__).parent))  # runs_*.py are modules of no package
from runs_given import CREDIT, graph

S = 1000  # milliseconds
pytestmark = pytest.mark.usefixtures("clean")


def test_run_that_succeeds_is_charged_what_it_used(runs, worker, customer, clock, no_hold_left):
    one, who = worker(), customer()
    run = who.submit()
    assert (run.state, run.held) == ("queued", FIRST_MS * S)
    lease = one.lease()
    assert lease.workflow == graph()
    clock.advance(seconds=10)
    assert runs.attempts.heartbeat(run.id, lease.token, 4 * S).command == "go"
    runs.attempts.complete(run.id, lease.token, 7 * S)
    run = runs.book.get(who.account, run.id)
    assert (run.state, run.gpu_ms, run.charged) == ("succeeded", 7 * S, 7 * CREDIT)
    assert runs.ledger.balance(who.account).available == 993 * CREDIT
    assert no_hold_left(who.account)


def test_completing_twice_charges_once(runs, worker, customer, clock):
    one, who = worker(), customer()
    run = who.submit()
    lease = one.lease()
    clock.advance(seconds=10)
    for _ in range(2):
        runs.attempts.complete(run.id, lease.token, 7 * S)
    assert runs.ledger.balance(who.account).available == 993 * CREDIT


def test_run_without_enough_credits_is_not_queued(runs, worker, customer):
    worker()
    who = customer(credits=59)
    with pytest.raises(InsufficientCreditsError):
        who.submit()
    assert runs.book.page(who.account) == []


def test_attack_20_of_parallel_submits_with_balance_for_one_one_is_queued(worker, customer, runs):
    worker()
    who, results = customer(credits=60), []

    def submit(number):
        try:
            results.append(who.submit(key=f"p{number}").state)
        except InsufficientCreditsError:
            results.append("refused")

    threads = [threading.Thread(target=submit, args=(n,)) for n in range(50)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(results) == ["queued"] + ["refused"] * 49


def test_attack_21_same_key_is_the_same_run_and_not_another(runs, worker, customer):
    worker()
    who = customer()
    run = who.submit(key="same")
    assert who.submit(key="same").id == run.id
    with pytest.raises(RunError) as caught:
        who.submit(graph(seed=1), key="same")
    assert (caught.value.code, caught.value.status) == ("idempotency_key_reuse", 422)
    assert runs.ledger.balance(who.account).held == run.held


def test_same_key_at_the_same_time_is_one_run(runs, worker, customer):
    worker()
    who, found = customer(), []
    threads = [
        threading.Thread(target=lambda: found.append(who.submit(key="same").id)) for _ in range(8)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_attack_22_cancel_in_each_state(runs, worker, customer, clock, no_hold_left):
    one, who = worker(), customer()
    waiting = who.submit()
    assert runs.book.cancel(who.account, waiting.id).state == "canceled"
    assert runs.book.cancel(who.account, waiting.id).charged == 0
    running = who.submit()
    lease = one.lease()
    clock.advance(seconds=5)
    runs.attempts.heartbeat(running.id, lease.token, 4 * S)
    for _ in range(2):
        assert runs.book.cancel(who.account, running.id).state == "canceling"
    assert runs.attempts.heartbeat(running.id, lease.token, 5 * S).command == "cancel"
    runs.attempts.complete(running.id, lease.token, 5 * S)
    for _ in range(2):
        run = runs.book.cancel(who.account, running.id)
        assert (run.state, run.charged) == ("canceled", 5 * CREDIT)
    done = who.submit()
    runs.attempts.complete(done.id, one.lease().token, 0)
    assert runs.book.cancel(who.account, done.id).state == "succeeded"
    assert no_hold_left(who.account)


def test_run_that_nobody_began_expires_free(runs, worker, customer, clock, no_hold_left):
    one, who = worker(), customer()
    run = who.submit()
    clock.advance(hours=6)
    assert runs.attempts.sweep()
    run = runs.book.get(who.account, run.id)
    assert (run.state, run.charged) == ("expired", 0)
    assert no_hold_left(who.account)
    assert one.lease() is None


def test_queue_of_an_account_is_bounded(runs, worker, customer, monkeypatch):
    monkeypatch.setattr("dressform.billing_server.runs.limits.MAX_ACTIVE", 2)
    worker()
    who = customer()
    who.submit(), who.submit()
    with pytest.raises(RunError) as caught:
        who.submit()
    assert (caught.value.code, caught.value.status) == ("queue_full", 429)
    assert runs.ledger.balance(who.account).held == 2 * FIRST_MS * S
