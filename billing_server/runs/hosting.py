"""The parts of hosted runs, made once."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

import sqlalchemy as sa

from ..assets.blobs import Blobs
from ..assets.book import Assets
from ..assets.store import Folder, Store
from ..assets.weights import Shelf
from ..ledger import Ledger
from ..settings import Settings
from .attempts import Attempts
from .book import Runs
from .leases import Leases
from .outbound import LOOPBACK
from .policy import Policy
from .webhooks import Webhooks


class Hosting(NamedTuple):
    """What views use of hosted runs."""

    runs: Runs
    leases: Leases
    attempts: Attempts
    assets: Assets
    weights: Shelf
    blobs: Blobs
    webhooks: Webhooks

    @classmethod
    def make(
        cls, engine: sa.Engine, ledger: Ledger, clock: Callable[[], datetime], settings: Settings
    ) -> "Hosting":
        """Makes the parts; in the data folder are files, and a `hosted.toml` if it is changed.

        Raises:
            ValueError: The store of files is not told right, or boto3 is not there.
        """
        runs = Runs(engine, ledger, clock, Policy.read(settings.data / "hosted.toml"))
        blobs = Blobs(engine, _store(settings), clock)
        local = settings.simulated and urlsplit(settings.url).hostname in LOOPBACK
        hooks = Webhooks(engine, clock, settings.secret_key, local=local)
        return cls(runs, Leases(runs), Attempts(runs), Assets(blobs), Shelf(blobs), blobs, hooks)

    def due(self) -> None:
        """Ends what was lost, forgets what has expired; what one meets does not stop the others."""
        errors = []
        for work in (self.attempts.sweep, self.assets.sweep, self.blobs.sweep):
            try:
                work()
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]


def _store(settings: Settings) -> Store:
    if not settings.asset_store:
        return Folder(settings.data / "assets")
    try:
        from ..assets.s3 import S3
    except ImportError as error:
        raise ValueError(
            "boto3 is required for ASSET_STORE, got none. Run: pip install boto3"
        ) from error
    return S3(settings.asset_store, settings.asset_store_endpoint)
