"""Many at once: who wins, who waits, and who shares a commit."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
from dressform.billing_server import database
from dressform.billing_server.ledger import InsufficientCreditsError, Ledger, UnavailableError
from dressform.billing_server.ledger.group import MAX_BATCH, Group

MANY = 50


def at_once(count, ask):
    """Returns what each of so many simultaneous calls returned or raised."""
    barrier = threading.Barrier(count)

    def run(number):
        barrier.wait()
        try:
            return ask(number)
        except Exception as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.fixture
def processes(server, engine, clock):
    """Ledgers that share nothing but the database, as those of several processes do."""
    engines = [database.connect(server) for _ in range(4)]
    yield [Ledger(one, clock) for one in engines]
    for one in engines:
        one.dispose()


def test_of_fifty_holds_on_a_balance_for_one_exactly_one_wins(processes, account, clock):
    processes[0].grant(account, 100, "paid", key="g")
    until = clock.after(minutes=5)
    answers = at_once(MANY, lambda n: processes[n % 4].hold(account, 100, until, key=f"h{n}"))
    refused = [one for one in answers if isinstance(one, InsufficientCreditsError)]
    assert len(refused) == MANY - 1
    assert processes[0].balance(account)[:2] == (0, 100)


def test_of_fifty_ends_of_a_hold_exactly_one_wins(processes, account, clock, rate):
    ledger = processes[0]
    ledger.grant(account, 100, "paid", key="g")
    hold = ledger.hold(account, 100, clock.after(minutes=5), key="h").seq

    def end(number):
        if number % 2:
            return processes[number % 4].release(account, hold, key=f"e{number}")
        terms = {"rate": rate.id, "gpu_ms": 10**6}
        return processes[number % 4].capture(account, hold, key=f"e{number}", **terms)

    answers = at_once(MANY, end)
    codes = [getattr(one, "code", "done") for one in answers]
    assert sorted(codes) == ["done"] + ["ended"] * (MANY - 1)
    assert ledger.balance(account).held == 0


def test_same_request_from_fifty_sides_is_one_movement(processes, account, clock):
    processes[0].grant(account, 100, "paid", key="g")
    until = clock.after(minutes=5)
    answers = at_once(MANY, lambda n: processes[n % 4].hold(account, 1, until, key="same"))
    assert len(set(answers)) == 1
    assert processes[0].balance(account).held == 1


def test_refused_holds_do_not_spoil_their_neighbours(processes, account, clock):
    processes[0].grant(account, 25, "paid", key="g")
    until = clock.after(minutes=5)

    def ask(number):
        return processes[0].hold(account, 100 if number % 2 else 1, until, key=f"h{number}")

    answers = at_once(MANY, ask)
    assert [isinstance(one, Exception) for one in answers] == [False, True] * (MANY // 2)


def test_group_answers_every_item_and_shares_batches():
    batches = []

    def work(items):
        batches.append(len(items))
        time.sleep(0.1)
        return [ValueError(item) if item % 3 == 0 else item * 2 for item in items]

    group = Group(work)
    answers = at_once(60, group.submit)
    assert [str(one) for one in answers] == [str(n if n % 3 == 0 else n * 2) for n in range(60)]
    assert sum(batches) == 60
    assert len(batches) < 30
    assert max(batches) <= MAX_BATCH


def test_batch_waits_for_those_who_were_answered_just_before(monkeypatch):
    monkeypatch.setattr("dressform.billing_server.ledger.group.PATIENCE_S", 0.1)  # busy: more
    batches = []

    def work(items):
        batches.append(len(items))
        time.sleep(0.01)
        return items

    group = Group(work)
    at_once(10, lambda number: [group.submit(number) for _ in range(20)])
    assert sum(batches) == 200
    assert len(batches) < 30  # 20 if all share each; 40 if halves take turns


def test_who_comes_alone_waits_for_nobody(monkeypatch):
    monkeypatch.setattr("dressform.billing_server.ledger.group.PATIENCE_S", 60.0)
    group = Group(lambda items: items)
    begun = time.monotonic()
    assert [group.submit(number) for number in range(9)] == list(range(9))
    assert time.monotonic() - begun < 30


def test_interrupted_leader_leaves_the_group_to_others(monkeypatch):
    group = Group(lambda items: items)
    wait_for = group._arrived.wait_for

    def interrupted(*_):
        monkeypatch.setattr(group._arrived, "wait_for", wait_for)
        raise KeyboardInterrupt

    monkeypatch.setattr(group._arrived, "wait_for", interrupted)
    with pytest.raises(KeyboardInterrupt):
        group.submit(1)
    assert group.submit(2) == 2


def test_group_goes_on_after_work_that_failed():
    def work(items):
        if 13 in items:
            raise ZeroDivisionError
        return items

    group = Group(work)
    assert isinstance(at_once(1, lambda _: group.submit(13))[0], ZeroDivisionError)
    assert group.submit(7) == 7


def test_dead_database_is_unavailable_and_a_dead_connection_is_replaced(server, engine, clock):
    own = database.connect(server)
    ledger = Ledger(own, clock)
    account = ledger.open_account("dead connection")
    ledger.grant(account, 100, "paid", key="g")
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
    assert ledger.grant(account, 1, "paid", key="h").available == 101
    own.dispose()
    nowhere = Ledger(database.connect("postgresql://nobody@127.0.0.1:1/nothing"), clock)
    with pytest.raises(UnavailableError, match="a database that answers is required, got"):
        nowhere.grant(1, 1, "paid", key="g")
