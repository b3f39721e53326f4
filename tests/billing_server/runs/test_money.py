"""What a run costs: what it used, never more than was held, and failures nothing."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
from dressform.billing_server.runs import workflow
from dressform.billing_server.runs.values import FIRST_MS, RunError

sys.path.append(str(Path(__file__).parent))  # runs_*.py are modules of no package
from runs_given import CREDIT, graph

S = 1000  # milliseconds
pytestmark = pytest.mark.usefixtures("clean")


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
    assert commands == ["go"] * 5 + ["stop"] * 3  # what is held is used up first
    runs.attempts.complete(run.id, lease.token, 80 * S)
    run = runs.book.get(who.account, run.id)
    assert (run.state, run.charged) == ("failed", 60 * CREDIT)
    assert run.error["code"] == "insufficient_credits"
    assert no_hold_left(who.account)


@pytest.mark.parametrize("limit", [40, 60, 75, 90])
def test_run_costs_no_more_than_its_limit(runs, worker, customer, clock, no_hold_left, limit):
    one, who = worker(), customer()
    run = who.submit(max_micro=limit * CREDIT)
    assert run.held == min(60, limit) * CREDIT
    lease = one.lease()
    assert lease.max_gpu_ms == min(60, limit) * S
    commands = {}
    for second in range(5, 101, 5):
        clock.advance(seconds=5)
        commands[second] = runs.attempts.heartbeat(run.id, lease.token, second * S).command
    assert {second for second, one in commands.items() if one == "go"} == set(range(5, limit, 5))
    assert runs.ledger.balance(who.account).held == limit * CREDIT
    runs.attempts.complete(run.id, lease.token, 100 * S)
    run = runs.book.get(who.account, run.id)
    assert (run.state, run.charged) == ("failed", limit * CREDIT)
    assert run.error["code"] == "max_cost"
    assert no_hold_left(who.account)


def test_run_that_is_expected_to_cost_more_than_its_limit_is_refused(
    runs, worker, customer, no_hold_left
):
    worker()
    who = customer()
    with pytest.raises(RunError, match="max_micro must be at least 30000000") as caught:
        who.submit(max_micro=30 * CREDIT - 1)
    assert (caught.value.code, caught.value.status) == ("max_cost", 422)
    assert no_hold_left(who.account)
    assert who.submit(max_micro=30 * CREDIT).held == 30 * CREDIT


def test_limit_is_part_of_the_request_that_a_key_stands_for(worker, customer):
    worker()
    who = customer()
    run = who.submit(key="once", max_micro=50 * CREDIT)
    assert who.submit(key="once", max_micro=50 * CREDIT).id == run.id
    with pytest.raises(RunError) as caught:
        who.submit(key="once", max_micro=51 * CREDIT)
    assert caught.value.code == "idempotency_key_reuse"


def test_hold_is_prolonged_before_it_lapses(runs, worker, customer, clock):
    one, who = worker(), customer()
    run = who.submit()
    clock.advance(hours=5, minutes=59)
    lease = one.lease()
    for _ in range(2 * 65):
        clock.advance(seconds=29)
        runs.attempts.heartbeat(run.id, lease.token, S, phase="uploading")
    runs.ledger.expire_due()
    runs.attempts.complete(run.id, lease.token, 2 * S)
    assert runs.book.get(who.account, run.id).charged == 2 * CREDIT


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


def test_quote_learns_from_runs_that_were_alike(runs, worker, customer, clock):
    one, who = worker(), customer()
    for seconds in (4, 6):
        run = who.submit()
        lease = one.lease()
        clock.advance(seconds=seconds)
        runs.attempts.complete(run.id, lease.token, seconds * S)
    quote = runs.book.plan(who.account, graph()).quote
    assert (quote.alike, quote.estimate_ms, quote.max_gpu_ms) == (2, 6 * S, 10 * S)
    other = graph() | {"3": {"class_type": "EmptyLatentImage", "inputs": {}}}
    guess = runs.book.plan(who.account, other).quote
    assert (guess.alike, guess.max_gpu_ms) == (0, FIRST_MS)


def test_workflows_that_fail_on_purpose_are_free_only_for_a_while(
    runs, worker, customer, clock, monkeypatch
):
    monkeypatch.setattr("dressform.billing_server.runs.limits.FREE_MS", 40 * S)
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


def test_what_waits_of_an_account_whose_workflows_fail_ends_free(
    runs, worker, customer, clock, monkeypatch, no_hold_left
):
    monkeypatch.setattr("dressform.billing_server.runs.limits.FREE_MS", 40 * S)
    one, who, told = worker(), customer(), {"fault": "workflow", "code": "x", "message": ""}
    waiting = [who.submit() for _ in range(4)]
    for _ in range(2):
        lease = one.lease()
        clock.advance(seconds=20)
        runs.attempts.fail(lease.run, lease.token, 20 * S, **told)
    assert one.lease() is None
    ends = [runs.book.get(who.account, run.id) for run in waiting]
    codes = [run.error["code"] for run in ends]
    assert sorted(codes) == ["too_many_failures"] * 2 + ["x"] * 2
    assert [(run.state, run.charged) for run in ends] == [("failed", 0)] * 4
    assert no_hold_left(who.account)


def test_workers_that_are_held_by_cancelled_runs_are_free_only_for_a_while(
    runs, worker, customer, clock
):
    """A chain of loaders uses no GPU; whoever cancels in time would have the worker for nothing."""
    one, who = worker(), customer()
    waiting = [who.submit() for _ in range(3)]
    for _ in range(2):
        lease = one.lease()
        for _ in range(29):  # 14 minutes, 5 of which do not count
            clock.advance(seconds=29)
            runs.attempts.heartbeat(lease.run, lease.token, 0, phase="loading")
        runs.book.cancel(who.account, lease.run)
        runs.attempts.complete(lease.run, lease.token, 0)
    ends = [runs.book.get(who.account, run.id) for run in waiting]
    assert sorted(run.state for run in ends) == ["canceled", "canceled", "failed"]
    assert [run.charged for run in ends] == [0] * 3
    with pytest.raises(RunError, match="too many failures"):
        who.submit()


def test_run_that_only_loads_is_stopped_free(runs, worker, customer, clock, no_hold_left):
    one, who = worker(), customer()
    run = who.submit()
    lease = one.lease()
    commands = []
    for _ in range(65):
        clock.advance(seconds=29)
        told = runs.attempts.heartbeat(run.id, lease.token, 0, phase="loading")
        commands.append(told.command)
    assert commands == ["go"] * 62 + ["stop"] * 3  # 30 minutes
    runs.attempts.complete(run.id, lease.token, 0)
    run = runs.book.get(who.account, run.id)
    assert (run.state, run.error["code"], run.charged) == ("failed", "time_limit", 0)
    assert no_hold_left(who.account)


def test_run_that_is_stopped_and_fails_is_free(runs, worker, customer, clock, no_hold_left):
    """Of what it put out nothing is shown, so nothing is charged."""
    one, who, told = worker(), customer(credits=70), {"code": "x", "message": "", "node": None}
    run = who.submit()
    lease = one.lease()
    for second in (30, 60):
        clock.advance(seconds=29)
        answer = runs.attempts.heartbeat(run.id, lease.token, second * S)
    clock.advance(seconds=29)
    answer = runs.attempts.heartbeat(run.id, lease.token, 80 * S)
    assert answer.command == "stop"
    runs.attempts.fail(run.id, lease.token, 80 * S, fault="workflow", **told)
    run = runs.book.get(who.account, run.id)
    assert (run.state, run.error["code"], run.charged) == ("failed", "x", 0)
    assert no_hold_left(who.account)


def test_quote_tells_nothing_of_runs_with_weights_that_the_customer_does_not_have(
    runs, worker, customer, ledger, references, engine
):
    import sqlalchemy as sa

    secret = graph(ckpt_name="acme-secret.safetensors")
    one, run = worker(), customer().submit()
    runs.attempts.complete(run.id, one.lease().token, 0)
    with engine.begin() as connection:  # as if it had been with weights of that customer's own
        sql = "UPDATE runs.run SET shape = :shape WHERE id = :id"
        values = {"shape": workflow.check(secret).shape, "id": run.id}
        connection.execute(sa.text(sql), values)
    mine = customer(account=ledger.open_account(next(references)))
    plan = runs.book.plan(mine.account, secret)
    assert plan.missing_models
    assert plan.quote.alike == 0


def test_budget_that_is_used_up_is_told_of(runs, worker, customer, engine, ledger):
    import sqlalchemy as sa
    from dressform.billing_server.ledger import Budget, BudgetExceededError

    worker()
    who = customer()
    ledger.set_budget(who.account, Budget(per_day=10 * CREDIT))
    with pytest.raises(BudgetExceededError):
        who.submit()
    sql = "SELECT count(*) FROM ledger.outbox WHERE account_id = :a AND topic = 'budget'"
    with engine.connect() as connection:
        assert connection.execute(sa.text(sql), {"a": who.account}).scalar_one() == 1


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
