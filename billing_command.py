"""`dressform serve`, `ledger` and `payments`: the billing server from the command line."""

import argparse
import os
from pathlib import Path
from typing import Any

PORT = 8020
LOOK_BACK_DAYS = 3.0  # as long as Stripe tries to deliver an event


def add(commands: Any) -> None:
    """Adds the subcommands to a parser."""
    entry = commands.add_parser("serve", help="sell and meter credits: the billing server")
    entry.add_argument("--host", default="127.0.0.1", metavar="ADDRESS")
    entry.add_argument("--port", type=_port, default=PORT, metavar="N", help="0: any that is free")
    entry.add_argument("--data", type=Path, metavar="DIR", help="of secret, mails and database")
    entry.add_argument("--admin", default="admin@localhost", metavar="EMAIL", help="the first one")
    told = "also run workflows on this machine, in a real ComfyUI (docs/hosting.md)"
    entry.add_argument("--with-worker", action="store_true", help=told)
    entry.set_defaults(command=_serve)

    entry = commands.add_parser("ledger", help="check the books of the billing server")
    entry.add_argument("action", choices=["verify"], help="recompute every balance and hash")
    entry.set_defaults(command=_ledger)

    entry = commands.add_parser("payments", help="compare the payments with Stripe's events")
    entry.add_argument("action", choices=["reconcile"], help="handle events that never came")
    entry.add_argument(
        "--days", type=float, default=LOOK_BACK_DAYS, metavar="N", help="to look back"
    )
    entry.set_defaults(command=_payments)

    entry = commands.add_parser("backup", help="copy the billing server's database and files")
    entry.add_argument("folder", type=Path, metavar="FOLDER", help="gets a folder for each backup")
    entry.add_argument("--data", type=Path, metavar="DIR", help="of the server")
    entry.set_defaults(command=_backup)

    entry = commands.add_parser("restore", help="make a billing server of a backup")
    entry.add_argument("backup", type=Path, metavar="BACKUP")
    entry.add_argument("--data", type=Path, required=True, metavar="DIR", help="empty, or new")
    entry.set_defaults(command=_restore)


def _serve(options: argparse.Namespace) -> int:
    from .billing_server import serve

    where = {"admin": options.admin, "say": _say, "beside": None}
    if options.with_worker:
        from . import local_worker

        where["beside"] = lambda parts, url: local_worker.beside(parts, url, _say)
    serve.serve(options.host, options.port, options.data, **where)
    return 0


def _backup(options: argparse.Namespace) -> int:
    from .billing_server import backup, embedded

    data = options.data or embedded.default_folder().parent
    made = backup.make(options.folder, data, os.environ.get("DATABASE_URL"))
    _say(f"{made.path}: {made.files} files, {made.bytes / 1e6:.1f} MB, tables {made.revision}")
    return 0


def _restore(options: argparse.Namespace) -> int:
    from .billing_server import backup, ledger_report
    from .billing_server.ledger import Ledger

    engine = backup.restore(options.backup, options.data, os.environ.get("DATABASE_URL"))
    report = Ledger(engine).verify()
    engine.dispose()
    _say(ledger_report.text(report))
    return 1 if report.problems else 0


def _ledger(_: argparse.Namespace) -> int:
    from .billing_server import ledger_report

    report = ledger_report.verified()
    _say(ledger_report.text(report))
    return 1 if report.problems else 0


def _payments(options: argparse.Namespace) -> int:
    from .billing_server import payments_report
    from .billing_server.ledger import LedgerError
    from .billing_server.payments import PaymentError

    try:
        report = payments_report.reconciled(options.days)
    except (LedgerError, PaymentError) as error:  # database or Stripe do not answer
        raise RuntimeError(str(error)) from error
    _say(payments_report.text(report))
    return 1 if report.problems else 0


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"must be a port from 0 to 65535, got {text!r}")
    return int(text)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 (what is shown once must not wait in a buffer)
