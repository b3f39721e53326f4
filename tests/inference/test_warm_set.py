"""What stays in memory: as a state machine, and under threads."""

import threading
import time

import pytest
from dressform.inference.warm_set import WarmSet
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

LIMIT = 10


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1
        return self.now


class Engine:
    """Notes when it is closed; a closed one must never be lent."""

    def __init__(self):
        self.closed = 0

    def close(self):
        self.closed += 1


class Warm(RuleBasedStateMachine):
    """Leases and evicts at random, and compares with what was lent and closed."""

    def __init__(self):
        super().__init__()
        self.set = WarmSet(LIMIT, clock=Clock())
        self.leases = []
        self.made = []

    @rule(key=st.sampled_from("abcd"), size=st.integers(1, 14), seconds=st.floats(0, 60))
    def borrow(self, key, size, seconds):
        if any(held == key and doomed for held, _, _, doomed in self.leases):
            return  # waits until the doomed one is returned, which this thread would have to do

        def load():
            self.made.append(Engine())
            return self.made[-1]

        lease = self.set.lease(key, load, size, seconds)
        engine = lease.__enter__()
        assert not engine.closed
        self.leases.append([key, lease, engine, False])

    @precondition(lambda self: self.leases)
    @rule(index=st.integers(0, 99))
    def give_back(self, index):
        _, lease, engine, _ = self.leases.pop(index % len(self.leases))
        assert not engine.closed
        lease.__exit__(None, None, None)

    @rule(key=st.sampled_from("abcd"))
    def fail_to_load(self, key):
        if any(one.key == key for one in self.set.residents()):
            return

        def load():
            raise MemoryError("no")

        with pytest.raises(MemoryError), self.set.lease(key, load, 1):
            raise AssertionError
        assert key not in {one.key for one in self.set.residents()}

    @rule(wanted=st.integers(0, 20))
    def evict(self, wanted):
        idle = sum(one.size_bytes for one in self.set.residents() if not one.in_use)
        assert self.set.evict(wanted) >= min(wanted, idle)

    @rule()
    def evict_all(self):
        self.set.evict_all()
        assert all(one.in_use for one in self.set.residents())
        for lease in self.leases:
            lease[3] = True

    @invariant()
    def what_is_lent_is_open_and_counted(self):
        residents = {one.key: one for one in self.set.residents()}
        for key, _, engine, _ in self.leases:
            assert not engine.closed
            assert residents[key].in_use == sum(1 for other in self.leases if other[0] == key)

    @invariant()
    def every_engine_is_resident_or_closed_once(self):
        assert all(engine.closed <= 1 for engine in self.made)
        assert sum(not engine.closed for engine in self.made) == len(self.set.residents())

    @invariant()
    def idle_engines_never_exceed_the_limit(self):
        if not self.leases:
            assert self.set.used_bytes() <= LIMIT


TestWarmSet = Warm.TestCase
TestWarmSet.settings = settings(max_examples=60, stateful_step_count=30)


def use(warm, key, size=1, seconds=1.0):
    with warm.lease(key, Engine, size, seconds) as engine:
        return engine


def keys(warm):
    return [one.key for one in warm.residents()]


def test_same_key_is_loaded_once_and_lent_again():
    warm = WarmSet(10)
    assert use(warm, "a") is use(warm, "a")


def test_of_equal_size_the_one_that_loads_quickest_goes_first():
    warm = WarmSet(2, clock=Clock())
    use(warm, "slow", seconds=60)
    use(warm, "quick", seconds=1)
    use(warm, "new", seconds=5)
    assert sorted(keys(warm)) == ["new", "slow"]


def test_of_equal_cost_the_largest_goes_first():
    warm = WarmSet(10, clock=Clock())
    use(warm, "large", size=6)
    use(warm, "small", size=2)
    use(warm, "new", size=4)
    assert sorted(keys(warm)) == ["new", "small"]


def test_what_was_not_used_for_long_loses_even_if_it_loads_slowly():
    warm = WarmSet(2, clock=Clock())
    use(warm, "old", seconds=3)
    for number in range(6):
        use(warm, number, seconds=1)
    assert "old" not in keys(warm)


def test_seconds_are_measured_where_nobody_says_them():
    clock = Clock()
    warm = WarmSet(10, clock=clock)

    def load():
        clock.now += 40
        return Engine()

    with warm.lease("a", load, 1):
        pass
    assert warm.residents()[0].priority == pytest.approx(41)


def test_engine_larger_than_the_limit_is_lent_and_not_kept():
    warm = WarmSet(5)
    with warm.lease("huge", Engine, 50) as engine:
        assert not engine.closed
    assert engine.closed == 1
    assert keys(warm) == []


def test_engine_in_use_outlives_every_eviction():
    warm = WarmSet(10)
    with warm.lease("a", Engine, 4) as engine:
        assert warm.evict(100) == 0
        assert warm.evict_all() == 0
        warm.drop("a")
        assert not engine.closed
    assert engine.closed == 1


def test_room_is_made_before_the_next_is_loaded():
    warm = WarmSet(10)
    first = use(warm, "a", size=8)
    seen = []

    def load():
        seen.append(first.closed)
        return Engine()

    with warm.lease("b", load, 8):
        pass
    assert seen == [1]


def test_error_inside_a_lease_returns_the_engine():
    warm = WarmSet(10)
    with pytest.raises(KeyboardInterrupt), warm.lease("a", Engine, 1):
        raise KeyboardInterrupt
    assert warm.residents()[0].in_use == 0


def test_threads_that_ask_at_once_load_once():
    warm, made, together = WarmSet(10), [], threading.Barrier(8)

    def load():
        time.sleep(0.02)
        made.append(Engine())
        return made[-1]

    def ask():
        together.wait()
        for _ in range(5):
            with warm.lease("a", load, 1) as engine:
                assert not engine.closed

    run_all([ask] * 8)
    assert len(made) == 1
    assert warm.residents()[0].uses == 40


def test_one_that_waits_loads_itself_where_the_first_failed():
    warm, tries = WarmSet(10), []
    started = threading.Event()

    def load():
        tries.append(1)
        if len(tries) == 1:
            started.set()
            time.sleep(0.02)
            raise OSError("the disk")
        return Engine()

    def first():
        with pytest.raises(OSError, match="the disk"), warm.lease("a", load, 1):
            raise AssertionError

    def second():
        started.wait()
        with warm.lease("a", load, 1) as engine:
            assert not engine.closed

    run_all([first, second])
    assert len(tries) == 2


def run_all(works):
    failures = []

    def guarded(work):
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert failures == []
    assert not any(thread.is_alive() for thread in threads)
