"""The last check of the ledger: done every day, and when an admin asks for it."""

import json
from datetime import timedelta
from typing import Any

import structlog

from . import database
from .services import Services

EVERY = timedelta(days=1)
_ASK = "UPDATE ledger.verification SET asked = true"
_BEGIN = """UPDATE ledger.verification SET asked = false, began_at = :now
    WHERE asked OR began_at < :before RETURNING began_at"""
_END = "UPDATE ledger.verification SET ended_at = :now, report = :report WHERE began_at = :began"
_LAST = """SELECT asked OR ended_at < began_at OR ended_at IS NULL AS waiting, ended_at, report
    FROM ledger.verification"""


def ask(services: Services) -> None:
    """Lets the ledger be verified soon, by whichever process is first."""
    database.execute(services.engine, _ASK)


def last(services: Services) -> Any:
    """Returns a row: what was found, when, and whether another check is waited for."""
    return database.execute(services.engine, _LAST)[0]


def due(services: Services) -> None:
    """Verifies the ledger if it is time to; after millions of entries it takes minutes."""
    now = services.clock()
    for row in database.execute(services.engine, _BEGIN, now=now, before=now - EVERY):
        report = services.ledger.verify()
        if report.problems:
            structlog.get_logger().error("ledger_differs", problems=report.problems[:10])
        told = {"now": services.clock(), "began": row.began_at}
        database.execute(services.engine, _END, **told, report=json.dumps(report._asdict()))
