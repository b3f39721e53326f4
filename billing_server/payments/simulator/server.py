"""The simulator's server: a thread of this process."""

from pathlib import Path
from typing import NamedTuple

SECRET_KEY = "sk_test_simulator"  # noqa: S105 (it opens nothing)
WEBHOOK_SECRET = "whsec_simulator"  # noqa: S105


class Simulator(NamedTuple):
    """A running simulator."""

    url: str

    def stop(self) -> None:
        """Ends it."""


def start(
    port: int = 0,
    *,
    webhook_url: str | None = None,
    secret: str = WEBHOOK_SECRET,
    file: Path | None = None,
) -> Simulator:
    """Starts a simulator on the loopback address.

    Args:
        port: Where it listens; 0 is any that is free.
        webhook_url: Where events are sent; without it they wait in `events.list`.
        secret: What they are signed with.
        file: Keeps its state over a restart; without it, it forgets.
    """
    raise NotImplementedError
