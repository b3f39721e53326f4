"""Sends what webhooks are to be told, each beside the others: who is slow holds up nobody."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread
from typing import Any

import structlog

from .. import metrics
from ..ledger import UnavailableError
from ..ledger.away import AWAY
from . import events, outbound
from .webhooks import Task, Webhooks

THREADS = 16
FOR_FAILING = 4  # of them at most: for addresses that did not answer last time
PERIOD_S = 2.0  # in which tries that have become due are looked for
AGENT = "Dressform-Webhooks/1"


class Deliverer:
    """A thread that finds what is due, and those that send it."""

    def __init__(
        self, webhooks: Webhooks, bells: events.Bells, job: Callable[[int, str], dict[str, Any]]
    ) -> None:
        """Makes it; `job` tells of a run of an account as the API does."""
        self._webhooks, self._bells, self._job = webhooks, bells, job
        self._stopped, self._heard, self._sending = Event(), Event(), set[Task]()
        self._thread = Thread(target=self._run, name="deliverer", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends; what is under way is sent again by whoever comes next."""
        self._stopped.set()
        self._heard.set()
        self._thread.join(timeout=outbound.ANSWER_S + PERIOD_S)

    def _run(self) -> None:
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="deliverer")
        with self._bells.on(events.WEBHOOKS) as self._heard:
            while not self._stopped.is_set():
                self._heard.clear()
                try:
                    self._hand_out(pool)
                except (*AWAY, UnavailableError) as error:
                    structlog.get_logger().warning("database_away", error=type(error).__name__)
                except Exception:  # whatever it is: without it nobody is told
                    structlog.get_logger().exception("deliverer_failed")
                if not self._stopped.is_set():
                    self._heard.wait(PERIOD_S)
        pool.shutdown(wait=False, cancel_futures=True)

    def _hand_out(self, pool: ThreadPoolExecutor) -> None:
        while len(under_way := tuple(self._sending)) < THREADS:
            failing = sum(one.failing for one in under_way)
            task = self._webhooks.claim(healthy=failing >= FOR_FAILING)
            if task is None:
                return
            self._sending.add(task)
            pool.submit(self._send, task)

    def _send(self, task: Task) -> None:
        try:
            status, error = self.post(task)
            self._webhooks.sent(task, status, error)
        except Exception:  # it is due again when its claim ends
            structlog.get_logger().exception("delivery_failed", delivery=task.id)
        finally:
            self._sending.discard(task)
            self._heard.set()

    def post(self, task: Task) -> tuple[int | None, str | None]:
        """Sends one; returns the status of the answer, or why there is none."""
        told = {"type": task.event, "timestamp": task.created_at.isoformat()}
        body = json.dumps(told | {"data": self._job(task.account, task.run)}).encode()
        at = int(time.time())  # the receiver compares it with its own clock
        headers = {"Content-Type": "application/json", "User-Agent": AGENT, "Connection": "close"}
        headers |= {"webhook-id": task.id, "webhook-timestamp": str(at)}
        headers["webhook-signature"] = self._webhooks.signatures(task, at, body)
        try:
            target = outbound.parse(task.url, local=self._webhooks.local)
            status, error = outbound.post(target, body, headers), None
        except outbound.OutboundError as refused:
            status, error = None, str(refused)
        outcome = "sent" if status is not None and status < 300 else "failed"
        metrics.EVENTS.labels(f"webhook_{outcome}").inc()
        return status, error
