"""The parts of hosted runs, made once."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from ..assets.book import Assets
from ..assets.store import Folder
from ..ledger import Ledger
from .attempts import Attempts
from .book import Runs
from .leases import Leases
from .policy import Policy


class Hosting(NamedTuple):
    """What views use of hosted runs."""

    runs: Runs
    leases: Leases
    attempts: Attempts
    assets: Assets

    @classmethod
    def make(
        cls, engine: sa.Engine, ledger: Ledger, clock: Callable[[], datetime], data: Path
    ) -> "Hosting":
        """Makes the parts; in the data folder are files, and a `hosted.toml` if it is changed."""
        runs = Runs(engine, ledger, clock, Policy.read(data / "hosted.toml"))
        assets = Assets(engine, Folder(data / "assets"), clock)
        return cls(runs, Leases(runs), Attempts(runs), assets)

    def due(self) -> None:
        """Ends what was lost, forgets what has expired."""
        self.attempts.sweep()
        self.assets.sweep()
