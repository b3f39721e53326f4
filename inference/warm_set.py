"""The engines that stay in memory between runs: which are admitted, and which have to go.

Eviction is GreedyDual-Size-Frequency: an engine is worth its use times the seconds that loading it
again takes, over its bytes, and what was not used for long loses against what came later.

Reference:
    Cao and Irani, Cost-Aware WWW Proxy Caching Algorithms, USITS 1997 (GreedyDual-Size).
    Cherkasova, Improving WWW Proxies Performance with Greedy-Dual-Size-Frequency Caching Policy,
    HP Laboratories HPL-98-69R1, 1998 (the frequency).
"""

import contextlib
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from typing import Any, NamedTuple


class Resident(NamedTuple):
    """What is known of an engine in memory.

    Attributes:
        key: As it was leased.
        size_bytes: Of the device.
        in_use: Leases that are not returned.
        uses: Leases so far.
        last_use: By the clock.
        priority: The lowest goes first.
    """

    key: Hashable
    size_bytes: int
    in_use: int
    uses: int
    last_use: float
    priority: float


class _Slot:
    """Mutable on purpose, and touched under the lock alone."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.value: Any = None
        self.loading = True
        self.doomed = False
        self.in_use = 0
        self.uses = 0
        self.reload_s = 0.0
        self.last_use = 0.0
        self.priority = 0.0


class WarmSet:
    """Engines in memory, at most `limit_bytes` of them while none is in use."""

    def __init__(self, limit_bytes: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Starts empty.

        Args:
            limit_bytes: Of the idle and the used together; what is in use may exceed it.
            clock: Returns seconds.
        """
        self.limit_bytes = limit_bytes
        self._clock = clock
        self._changed = threading.Condition()
        self._slots: dict[Hashable, _Slot] = {}
        self._floor = 0.0

    @contextlib.contextmanager
    def lease(
        self,
        key: Hashable,
        load: Callable[[], Any],
        size_bytes: int,
        reload_s: float | None = None,
    ) -> Iterator[Any]:
        """Lends an engine, loaded where it is not there; it cannot be evicted meanwhile.

        Args:
            key: Names the engine and how it is laid into memory.
            load: Makes it; called once, however many ask at the same time.
            size_bytes: That it takes.
            reload_s: Seconds that making it again takes; None takes what `load` took.

        Raises:
            Exception: whatever `load` raises; nothing of it stays.
        """
        slot = self._borrow(key, load, size_bytes, reload_s)
        try:
            yield slot.value
        finally:
            self._give_back(key, slot)

    def residents(self) -> tuple[Resident, ...]:
        """Returns what is in memory, the first to go first."""
        with self._changed:
            slots = sorted(
                ((key, one) for key, one in self._slots.items() if not one.loading),
                key=lambda item: (item[1].priority, item[1].last_use),
            )
            return tuple(
                Resident(key, one.size_bytes, one.in_use, one.uses, one.last_use, one.priority)
                for key, one in slots
            )

    def used_bytes(self) -> int:
        """Returns the bytes of all that is in memory or on its way there."""
        with self._changed:
            return self._used()

    def evict(self, wanted_bytes: int) -> int:
        """Evicts idle engines until `wanted_bytes` are freed; returns the bytes freed."""
        with self._changed:
            before = self._used()
            while before - self._used() < wanted_bytes and self._evict_least():
                pass
            return before - self._used()

    def evict_all(self) -> int:
        """Evicts every idle engine, and those in use when they are returned; returns the bytes."""
        with self._changed:
            before = self._used()
            for key in list(self._slots):
                self._drop(key)
            return before - self._used()

    def drop(self, key: Hashable) -> None:
        """Evicts one engine, when it is returned if it is in use."""
        with self._changed:
            self._drop(key)

    def _borrow(self, key, load, size_bytes, reload_s) -> _Slot:
        with self._changed:
            while True:
                slot = self._slots.get(key)
                if slot is None:
                    break
                if not slot.loading and not slot.doomed:
                    return self._count_use(slot)
                self._changed.wait()
            slot = self._slots[key] = _Slot(size_bytes)
            self._trim()
        return self._load(key, slot, load, reload_s)

    def _load(self, key, slot: _Slot, load, reload_s) -> _Slot:
        start = self._clock()
        try:
            value = load()
        except BaseException:
            with self._changed:
                del self._slots[key]
                self._changed.notify_all()
            raise
        with self._changed:
            slot.value = value
            slot.reload_s = self._clock() - start if reload_s is None else reload_s
            slot.loading = False
            self._changed.notify_all()
            return self._count_use(slot)

    def _count_use(self, slot: _Slot) -> _Slot:
        slot.in_use += 1
        slot.uses += 1
        slot.last_use = self._clock()
        worth = slot.uses * slot.reload_s / max(1, slot.size_bytes)
        slot.priority = self._floor + worth
        return slot

    def _give_back(self, key, slot: _Slot) -> None:
        with self._changed:
            slot.in_use -= 1
            slot.last_use = self._clock()
            if slot.doomed and not slot.in_use:
                self._close(key)
            self._trim()

    def _trim(self) -> None:
        while self._used() > self.limit_bytes and self._evict_least():
            pass

    def _evict_least(self) -> bool:
        idle = [(s.priority, s.last_use, k) for k, s in self._slots.items() if self._is_idle(s)]
        if not idle:
            return False
        self._floor, _, key = min(idle, key=lambda item: item[:2])
        self._close(key)
        return True

    def _drop(self, key: Hashable) -> None:
        slot = self._slots.get(key)
        if slot is None:
            return
        if self._is_idle(slot):
            self._close(key)
        else:
            slot.doomed = True

    def _close(self, key: Hashable) -> None:
        value = self._slots.pop(key).value
        self._changed.notify_all()
        close = getattr(value, "close", None)
        if close is not None:
            close()

    def _used(self) -> int:
        return sum(slot.size_bytes for slot in self._slots.values())

    @staticmethod
    def _is_idle(slot: _Slot) -> bool:
        return not slot.loading and not slot.in_use
