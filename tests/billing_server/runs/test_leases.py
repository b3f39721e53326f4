"""A worker has a run as long as it is heard of, and no two have one."""

import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
from dressform.billing_server.runs.values import RunError

sys.path.append(str(Path(__file__).parent))  # runs_*.py are modules of no package
from runs_given import CREDIT

S = 1000  # milliseconds
pytestmark = pytest.mark.usefixtures("clean")


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


def test_attack_27_a_token_is_good_for_its_run_alone(runs, worker, customer):
    one, two, who = worker("one"), worker("two"), customer()
    who.submit(), who.submit()
    first, second = one.lease(), two.lease()
    for token in (second.token, "", "1.x", first.token[:-1]):
        with pytest.raises(RunError):
            runs.attempts.heartbeat(first.run, token, 0)


def test_idle_worker_gets_a_run_at_once(runs, worker, customer):
    one, who, got = worker(), customer(), []
    thread = threading.Thread(target=lambda: got.append(one.lease(wait_s=20)))
    thread.start()
    run = who.submit()
    thread.join(timeout=15)  # a question that nothing wakes takes 20 s
    assert got
    assert got[0].run == run.id


def test_run_that_cannot_be_told_ends_free_and_blocks_nobody(runs, worker, customer, clock, engine):
    """Whatever slips through the checks, the queue behind it goes on."""
    import sqlalchemy as sa

    one, who = worker(), customer()
    broken = who.submit()
    clock.advance(seconds=1)
    good = who.submit()
    with engine.begin() as connection:
        sql = """UPDATE runs.run SET workflow = '{"1": {"inputs": {"image":
            {"__type": "core/ASSET", "info": {"id": "nowhere"}}}}}' WHERE id = :id"""
        connection.execute(sa.text(sql), {"id": broken.id})
    assert one.lease().run == good.id
    run = runs.book.get(who.account, broken.id)
    assert (run.state, run.charged, run.error["code"]) == ("failed", 0, "internal")


def test_worker_looks_again_at_runs_that_others_were_about_to_take(runs, worker, customer, engine):
    import sqlalchemy as sa

    one, who = worker(), customer()
    run = who.submit()
    with engine.begin() as connection:
        sql = "SELECT FROM runs.run WHERE id = :id FOR UPDATE"
        connection.execute(sa.text(sql), {"id": run.id})
        thread, got = polling(one)
    thread.join(timeout=10)  # nothing rings for it
    assert [lease.run for lease in got] == [run.id]


def polling(one, wait_s=20.0):
    """Asks for a run in a thread; what came is in the list."""
    got = []
    thread = threading.Thread(target=lambda: got.append(one.lease(wait_s=wait_s)))
    thread.start()
    time.sleep(0.5)
    return thread, got


def test_question_that_was_given_up_takes_no_run_and_loses_none(runs, worker, customer):
    """A connection that died leaves its question waiting: the next one is the worker's word."""
    one, submit = worker(), customer().submit
    old, nothing = polling(one)
    new, lease = polling(one)
    first = submit()
    new.join(timeout=10)
    assert [made.run for made in lease] == [first.id]
    second = submit()  # this wakes the old question too
    old.join(timeout=10)
    assert nothing == [None]
    account = first.account
    assert runs.book.get(account, first.id).state == "running"
    assert runs.book.get(account, second.id).state == "queued"
    assert runs.attempts.heartbeat(first.id, lease[0].token, 0).command == "go"


def test_goodbye_ends_the_question(runs, worker):
    one = worker()
    begun = time.monotonic()
    thread, got = polling(one)
    runs.leases.goodbye(one.key, one.id)
    thread.join(timeout=15)
    assert got == [None]
    assert time.monotonic() - begun < 15


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
