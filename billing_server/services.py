"""The parts of a running server, made once by `create_app`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, cast

import sqlalchemy as sa
from flask import current_app

from .ledger import Ledger
from .settings import Settings

if TYPE_CHECKING:
    from .identity.people import People
    from .keys import Keys
    from .payments import Payments
    from .runs.hosting import Hosting
    from .usage import Usage


class Services(NamedTuple):
    """What views use."""

    settings: Settings
    engine: sa.Engine
    clock: Callable[[], datetime]
    ledger: Ledger
    payments: Payments
    identity: People
    keys: Keys
    usage: Usage
    hosting: Hosting


def services() -> Services:
    """Returns the parts of the server that answers this request."""
    return cast(Services, current_app.extensions["services"])
