"""Signed webhooks: sent, repeated, and, where a fault says so, twice, late, unsigned or never."""

import hashlib
import hmac
import json
import threading
import time
import urllib.error
import urllib.request

from .world import Thing, World

ATTEMPTS = 6  # then events.list is the only way to learn of it
TIMEOUT_S = 20.0


def sign(body: bytes, *secrets: str, at: float | None = None) -> str:
    """Returns the header of a webhook; with two secrets while one is rotated."""
    sent_at = int(time.time() if at is None else at)
    macs = (hmac.new(one.encode(), b"%d." % sent_at + body, hashlib.sha256) for one in secrets)
    return ",".join([f"t={sent_at}", *(f"v1={mac.hexdigest()}" for mac in macs)])


class Delivery:
    """A thread that sends the events of a world to an address."""

    def __init__(self, world: World, url: str, secret: str) -> None:
        self.secrets = [secret]
        self._world, self._url = world, url
        self._waiting: list[tuple[float, int, Thing]] = []  # when, attempt, event
        self._woken, self._ended = threading.Condition(), False
        self._thread = threading.Thread(target=self._send_all, daemon=True)
        world.on_event = self.put
        self._thread.start()

    def put(self, event: Thing) -> None:
        """Sends an event soon, as the next fault says."""
        fault = self._world.fault("webhook") or {}
        kind, wait_s = fault.get("kind"), fault.get("s", 0.0)
        if kind == "lose":
            return
        with self._woken:
            times = 2 if kind == "duplicate" else 1
            self._waiting += [(time.monotonic() + wait_s, 0, event)] * times
            if kind == "reorder":
                self._waiting.reverse()
            self._woken.notify()

    def stop(self) -> None:
        """Ends the thread; what was not sent is lost."""
        with self._woken:
            self._ended = True
            self._woken.notify()
        self._thread.join()

    def _send_all(self) -> None:
        while True:
            with self._woken:
                if self._ended:
                    return
                now = time.monotonic()
                ready = next((one for one in self._waiting if one[0] <= now), None)
                if ready is None:
                    waits = [at - now for at, _, _ in self._waiting]
                    self._woken.wait(min(waits, default=None))
                    continue
                self._waiting.remove(ready)
            _, attempt, event = ready
            if not self._sent(event) and attempt + 1 < ATTEMPTS:
                with self._woken:
                    again = time.monotonic() + 0.5 * 2**attempt
                    self._waiting.append((again, attempt + 1, event))

    def _sent(self, event: Thing) -> bool:
        body = json.dumps(event).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "Stripe simulator"}
        headers["Stripe-Signature"] = sign(body, *self.secrets)
        request = urllib.request.Request(self._url, body, headers)  # noqa: S310 (the operator's own)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310
                return True
        except OSError:  # also every answer that is an error
            return False
