"""A run is held for, worked on, and ended once; what it cost is what it used."""

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


@pytest.mark.parametrize("seconds", [31, 90])
def test_lost_lease_is_tried_again_and_its_late_result_refused(
    runs, worker, customer, clock, seconds
):
    one, two, who = worker("one"), worker("two"), customer()
    run = who.submit()
    first = one.lease()
    clock.advance(seconds=seconds)
    assert runs.attempts.sweep()
    second = two.lease()
    assert (second.run, second.attempt) == (run.id, 2)
    for late in (runs.attempts.heartbeat, runs.attempts.complete):
        with pytest.raises(RunError) as caught:
            late(run.id, first.token, 9 * S)
        assert caught.value.code == "stale_token"
    clock.advance(seconds=3)
    runs.attempts.complete(run.id, second.token, 2 * S)
    assert runs.book.get(who.account, run.id).charged == 2 * CREDIT


def test_lease_that_ended_is_refused_before_anybody_swept(runs, worker, customer, clock):
    one, who = worker(), customer()
    run = who.submit()
    lease = one.lease()
    clock.advance(seconds=30)
    with pytest.raises(RunError, match="current lease"):
        runs.attempts.complete(run.id, lease.token, S)


def test_run_lost_three_times_fails_free(runs, worker, customer, clock, no_hold_left):
    one, who = worker(), customer()
    run = who.submit()
    for _ in range(3):
        assert one.lease().run == run.id
        clock.advance(seconds=31)
        runs.attempts.sweep()
    run = runs.book.get(who.account, run.id)
    assert (run.state, run.charged, run.error["code"]) == ("failed", 0, "worker_lost")
    assert no_hold_left(who.account)
    assert one.lease() is None


def test_worker_that_leases_again_gives_up_what_it_had(runs, worker, customer):
    one, who = worker(), customer()
    run = who.submit()
    first = one.lease()
    second = one.lease()
    assert (second.run, second.attempt) == (run.id, 2)
    with pytest.raises(RunError):
        runs.attempts.heartbeat(run.id, first.token, 0)


@pytest.mark.parametrize("fault", ["workflow", "worker"])
def test_failure_costs_nothing(runs, worker, customer, clock, fault, no_hold_left):
    one, who = worker(), customer()
    run = who.submit()
    told = {"code": "node_execution_error", "message": "It broke.", "node": "1"}
    for _ in range(1 if fault == "workflow" else 3):
        lease = one.lease()
        clock.advance(seconds=9)
        runs.attempts.fail(run.id, lease.token, 8 * S, fault=fault, **told)
        runs.attempts.fail(run.id, lease.token, 8 * S, fault=fault, **told)
    run = runs.book.get(who.account, run.id)
    assert (run.state, run.charged) == ("failed", 0)
    assert run.error["code"] == "node_execution_error"
    assert runs.ledger.balance(who.account).available == 1000 * CREDIT
    assert no_hold_left(who.account)


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


def test_cancelled_run_whose_worker_is_lost_is_free(runs, worker, customer, clock):
    one, who = worker(), customer()
    run = who.submit()
    lease = one.lease()
    clock.advance(seconds=5)
    runs.attempts.heartbeat(run.id, lease.token, 4 * S)
    runs.book.cancel(who.account, run.id)
    clock.advance(seconds=60)
    runs.attempts.sweep()
    run = runs.book.get(who.account, run.id)
    assert (run.state, run.charged) == ("canceled", 0)


def test_attack_27_gpu_time_is_clamped(runs, worker, customer, clock):
    one, who = worker(), customer()
    run = who.submit()
    lease = one.lease()
    clock.advance(seconds=10)
    runs.attempts.heartbeat(run.id, lease.token, 10**15)
    assert runs.book.get(who.account, run.id).gpu_ms == 10 * S
    runs.attempts.heartbeat(run.id, lease.token, -5)
    assert runs.book.get(who.account, run.id).gpu_ms == 10 * S
    runs.attempts.complete(run.id, lease.token, 10**15)
    assert runs.book.get(who.account, run.id).charged == 10 * CREDIT


def test_attack_27_a_token_is_good_for_its_run_alone(runs, worker, customer):
    one, two, who = worker("one"), worker("two"), customer()
    who.submit(), who.submit()
    first, second = one.lease(), two.lease()
    for token in (second.token, "", "1.x", first.token[:-1]):
        with pytest.raises(RunError):
            runs.attempts.heartbeat(first.run, token, 0)


def test_hold_grows_with_a_long_run(runs, worker, customer, clock, no_hold_left):
    one, who = worker(), customer(credits=200)
    run = who.submit()
    lease = one.lease()
    for second in range(5, 101, 5):
        clock.advance(seconds=5)
        answer = runs.attempts.heartbeat(run.id, lease.token, second * S)
        assert answer.command == "go"
        assert answer.max_gpu_ms > second * S
    runs.attempts.complete(run.id, lease.token, 100 * S)
    assert runs.book.get(who.account, run.id).charged == 100 * CREDIT
    assert no_hold_left(who.account)


def test_run_whose_hold_cannot_grow_is_stopped_and_costs_what_was_held(
    runs, worker, customer, clock, no_hold_left
):
    one, who = worker(), customer(credits=70)
    run = who.submit()
    lease = one.lease()
    commands = []
    for second in range(10, 81, 10):
        clock.advance(seconds=10)
        commands.append(runs.attempts.heartbeat(run.id, lease.token, second * S).command)
    assert commands == ["go"] * 4 + ["stop"] * 4
    runs.attempts.complete(run.id, lease.token, 80 * S)
    run = runs.book.get(who.account, run.id)
    assert (run.state, run.charged) == ("failed", 60 * CREDIT)
    assert run.error["code"] == "insufficient_credits"
    assert no_hold_left(who.account)


def test_hold_is_prolonged_before_it_lapses(runs, worker, customer, clock):
    one, who = worker(), customer()
    run = who.submit()
    clock.advance(hours=5, minutes=59)
    lease = one.lease()
    for _ in range(2 * 65):
        clock.advance(seconds=29)
        runs.attempts.heartbeat(run.id, lease.token, S)
    runs.ledger.expire_due()
    runs.attempts.complete(run.id, lease.token, 2 * S)
    assert runs.book.get(who.account, run.id).charged == 2 * CREDIT


def test_run_that_nobody_began_expires_free(runs, worker, customer, clock, no_hold_left):
    one, who = worker(), customer()
    run = who.submit()
    clock.advance(hours=6)
    assert runs.attempts.sweep()
    run = runs.book.get(who.account, run.id)
    assert (run.state, run.charged) == ("expired", 0)
    assert no_hold_left(who.account)
    assert one.lease() is None


def test_attack_28_clock_that_jumps_ends_nothing_twice(runs, worker, customer, clock, no_hold_left):
    one, who = worker(), customer()
    run = who.submit()
    lease = one.lease()
    clock.advance(days=40)
    runs.ledger.expire_due()
    with pytest.raises(RunError):
        runs.attempts.complete(run.id, lease.token, S)
    runs.attempts.sweep()
    clock.advance(days=-41)
    runs.attempts.sweep()
    lease = one.lease()
    runs.attempts.complete(run.id, lease.token, S)
    run = runs.book.get(who.account, run.id)
    assert (run.state, run.charged, run.gpu_ms) == ("succeeded", 0, 0)
    assert no_hold_left(who.account)


def test_queue_of_an_account_is_bounded(runs, worker, customer, monkeypatch):
    monkeypatch.setattr("dressform.billing_server.runs.book.MAX_ACTIVE", 2)
    worker()
    who = customer()
    who.submit(), who.submit()
    with pytest.raises(RunError) as caught:
        who.submit()
    assert (caught.value.code, caught.value.status) == ("queue_full", 429)
    assert runs.ledger.balance(who.account).held == 2 * FIRST_MS * S


def test_quote_learns_from_runs_that_were_alike(runs, worker, customer, clock):
    one, who = worker(), customer()
    for seconds in (4, 6):
        run = who.submit()
        lease = one.lease()
        clock.advance(seconds=seconds)
        runs.attempts.complete(run.id, lease.token, seconds * S)
    quote = runs.book.plan(who.account, graph()).quote
    assert (quote.estimate_ms, quote.max_gpu_ms) == (6 * S, 10 * S)
    other = graph() | {"3": {"class_type": "EmptyLatentImage", "inputs": {}}}
    assert runs.book.plan(who.account, other).quote.max_gpu_ms == FIRST_MS


def test_idle_worker_gets_a_run_at_once(runs, worker, customer):
    one, who, got = worker(), customer(), []
    thread = threading.Thread(target=lambda: got.append(one.lease(wait_s=20)))
    thread.start()
    run = who.submit()
    thread.join(timeout=5)
    assert got
    assert got[0].run == run.id


def test_drained_worker_gets_nothing(runs, worker, customer):
    one, who = worker(), customer()
    who.submit()
    runs.leases.goodbye(one.key, one.id)
    assert one.lease() is None
    assert worker().lease() is not None


def test_worker_without_the_model_or_pack_gets_nothing(runs, worker, customer):
    good, who = worker("good"), customer()
    who.submit()
    assert worker("bare", models=()).lease() is None
    other = {"CheckpointLoaderSimple": "comfyui", "SaveImage": "dressform"}
    assert worker("other", classes=other).lease() is None
    assert good.lease() is not None


def test_no_account_starves_another(runs, worker, customer, ledger, references, clock):
    one, many = worker(), customer()
    for _ in range(12):
        many.submit()
    clock.advance(seconds=1)
    few = customer(account=ledger.open_account(next(references)))
    run = few.submit()
    clock.advance(seconds=15)  # until then a worker may stay with the customer it has
    got = []
    for _ in range(2):
        lease = one.lease()
        got.append(lease.run)
        runs.attempts.complete(lease.run, lease.token, 0)
    assert run.id in got


def test_fifty_runs_and_four_workers_at_once(runs, worker, customer, no_hold_left):
    workers, who = [worker(f"w{n}") for n in range(4)], customer(credits=3000)
    made = [who.submit() for _ in range(50)]

    def work(one, number):
        while lease := one.lease(wait_s=0.1):
            if lease.attempt == 1 and int(lease.run[-1], 16) % 4 == number:
                told = {"fault": "worker", "code": "x", "message": ""}
                runs.attempts.fail(lease.run, lease.token, 0, **told)
            else:
                runs.attempts.complete(lease.run, lease.token, 0)

    threads = [threading.Thread(target=work, args=(one, n)) for n, one in enumerate(workers)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    ended = [runs.book.get(who.account, run.id) for run in made]
    assert [run.state for run in ended] == ["succeeded"] * 50
    assert no_hold_left(who.account)


def test_workflows_that_fail_on_purpose_are_free_only_for_a_while(
    runs, worker, customer, clock, monkeypatch
):
    monkeypatch.setattr("dressform.billing_server.runs.book.FREE_MS", 40 * S)
    one, who, told = worker(), customer(), {"fault": "workflow", "code": "x", "message": ""}
    for _ in range(2):
        run = who.submit()
        lease = one.lease()
        clock.advance(seconds=20)
        runs.attempts.fail(run.id, lease.token, 20 * S, **told)
    with pytest.raises(RunError) as caught:
        who.submit()
    assert (caught.value.code, caught.value.status) == ("too_many_failures", 429)
    clock.advance(hours=1)
    assert who.submit().state == "queued"


def test_usage_is_told_by_the_label_of_the_workflow(runs, worker, customer, clock, engine):
    from dressform.billing_server.usage import Usage

    one, who = worker(), customer()
    run = who.submit(metadata={"workflow": "mannequin to model"})
    lease = one.lease()
    clock.advance(seconds=2)
    runs.attempts.complete(run.id, lease.token, S)
    (spent,) = Usage(engine).by(
        who.account, clock.after(hours=-1), clock.after(hours=1), "workflow"
    )
    assert (spent.what, spent.amount, spent.gpu_ms) == ("mannequin to model", CREDIT, S)
