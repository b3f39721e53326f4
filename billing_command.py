"""`dressform serve`, `ledger` and `payments`: the billing server from the command line."""

import argparse
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


def _serve(options: argparse.Namespace) -> int:
    from .billing_server import serve

    where = {"admin": options.admin, "say": _say}
    serve.serve(options.host, options.port, options.data, **where)
    return 0


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
