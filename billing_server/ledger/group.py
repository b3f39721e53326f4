"""Group commit: requests that arrive while one transaction is under way share the next."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

MAX_BATCH = 256  # requests in one transaction: larger ones hardly commit more, but later
# How long a batch waits for those whom the one before answered: they may ask again at once. About
# what a transaction costs, however little is in it. Who comes alone waits for nobody.
PATIENCE_S = 0.002


class Group:
    """Collects items from any thread and works them off in batches, one batch at a time."""

    def __init__(self, work: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        """Makes a group; `work` returns an answer, or the exception to raise, for each item."""
        self._work = work
        self._waiting: deque[_Ticket] = deque()
        self._arrived = threading.Condition(threading.Lock())
        self._busy = False
        self._expected = 1  # as many as there were last: answered, and left waiting

    def submit(self, item: Any) -> Any:
        """Returns the answer to an item, after the transaction that holds it has committed.

        Whoever finds no batch under way works one off, for itself and for all behind it; then the
        first of those who came meanwhile does. So no thread is to be started, stopped, or lost in a
        fork.
        """
        ticket = _Ticket(item)
        with self._arrived:
            self._waiting.append(ticket)
            leads, self._busy = not self._busy, True
            if len(self._waiting) >= self._expected:
                self._arrived.notify()
        if not leads:
            try:
                ticket.woken.acquire()
            except BaseException:  # interrupted: nobody must wait for a leader that is gone
                self._leave(ticket)
                raise
        if not ticket.done:
            try:
                self._work_off()
            finally:
                self._pass_on(ticket)
        if isinstance(ticket.answer, Exception):
            raise ticket.answer
        return ticket.answer

    def _work_off(self) -> None:
        with self._arrived:
            self._arrived.wait_for(lambda: len(self._waiting) >= self._expected, PATIENCE_S)
            count = min(len(self._waiting), MAX_BATCH)
            batch = [self._waiting.popleft() for _ in range(count)]
        # Whoever waits must be answered, also if this thread is interrupted.
        answers: Sequence[Any] = [RuntimeError("interrupted. Ask again with the same key.")] * count
        try:
            answers = self._work([ticket.item for ticket in batch])
        except Exception as error:
            answers = [error] * count
        finally:
            self._expected = min(count + len(self._waiting), MAX_BATCH)
            for ticket, ticket.answer in zip(batch, answers, strict=True):
                ticket.done = True
                ticket.woken.release()

    def _pass_on(self, ticket: "_Ticket") -> None:
        with self._arrived:
            if not ticket.done and ticket in self._waiting:  # interrupted before it took any
                self._waiting.remove(ticket)
            if self._waiting:
                self._waiting[0].woken.release()
            else:
                self._busy = False

    def _leave(self, ticket: "_Ticket") -> None:
        with self._arrived:
            first = bool(self._waiting) and self._waiting[0] is ticket
            if ticket in self._waiting:
                self._waiting.remove(ticket)
        if first and ticket.woken.acquire(blocking=False):
            self._pass_on(ticket)


class _Ticket:
    def __init__(self, item: Any) -> None:
        self.item = item
        self.woken = threading.Lock()  # held until there is an answer, or a turn to lead
        self.woken.acquire()
        self.done = False
        self.answer: Any = None
