"""The pages of a customer: overview, usage, statement, account."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Any

from flask import Response, g, render_template, request, stream_with_context, url_for

from ..ledger import CREDIT, Balance, Line
from ..services import services
from . import figures, reading
from .page import blueprint, done, form_pages, t, today

BURN_DAYS = 7  # over which spending is averaged: a week has all its weekdays
ROWS, LAST = 50, 5  # of a page; of the overview
MAX_DAYS = 366  # that a page of usage spans
BY = ("day", "key", "workflow", "gpu")
BEGINNING, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
RUN_COLUMNS = (
    "ended_at run workflow key outcome reason gpu_class rate_version credits_per_second "
    "gpu_seconds held charged given_back price"
)
STATEMENT_COLUMNS = "at movement kind of grant book credits run key reason"


@blueprint.get("/")
def overview() -> str:
    """Shows what there is, how long it lasts, and what the last runs cost."""
    parts, account = services(), g.person.account
    balance, since = parts.ledger.balance(account), today().date() - timedelta(days=BURN_DAYS)
    burn = reading.rows(reading.BURNT, a=account, since=since)[0][0] / BURN_DAYS
    return render_template(
        "dashboard/overview.html",
        balance=balance,
        bars=_bars(balance),
        burn=burn,
        days=max(balance.available, 0) / burn if burn > 0 else None,
        open_holds=reading.rows(reading.HOLDS, a=account),
        rows=reading.runs(account, BEGINNING, END, before=0, limit=LAST),
        key_names=key_names(account),
    )


def _bars(balance: Balance) -> list[dict[str, float]]:
    """Returns where in a bar of 100 the credits of each grant are."""
    amounts = [max(one.available, 0) for one in balance.grants]
    scale = 100 / (sum(amounts) or 1)
    starts = accumulate(amounts, initial=0)
    return [
        {"color": index % 6, "x": start * scale, "width": amount * scale}
        for index, (start, amount) in enumerate(zip(starts, amounts, strict=False))
    ]


@blueprint.get("/usage")
def usage() -> str:
    """Shows what was spent in a period, on what, and each run of it."""
    parts, account, names = services(), g.person.account, key_names(g.person.account)
    since, until, last = _period()
    asked = request.args.get("by", "")
    by = asked if asked in BY else "day"
    spent = parts.usage.by(account, since, last, by)
    if by != "day":
        spent.sort(key=lambda one: -one.amount)
    before = request.args.get("before", 0, int)
    page = reading.runs(account, since, last, before=before, limit=ROWS)
    where = {"since": since.date(), "until": until, "by": by}
    return render_template(
        "dashboard/usage.html",
        **where,
        today=today().date(),
        dimensions=BY,
        rows=[(names.get(one.what, one.what) if by == "key" else one.what, one) for one in spent],
        list=page,
        more=url_for(".usage", before=page[-1].seq, **where) if len(page) == ROWS else "",
        key_names=names,
    )


def _period() -> tuple[datetime, date, datetime]:
    """Returns the first and the last day that are asked for, and the moment after them."""
    try:
        since, until = (date.fromisoformat(request.args[name]) for name in ("since", "until"))
    except (KeyError, ValueError):
        until = today().date()
        since = until.replace(day=1)
    since = min(max(since, BEGINNING.date()), END.date())
    until = min(max(since, until), since + timedelta(days=MAX_DAYS))
    begins = datetime(since.year, since.month, since.day, tzinfo=UTC)
    return begins, until, begins + (until - since) + timedelta(days=1)


@blueprint.get("/usage.csv")
def usage_csv() -> Response:
    """Sends each run of a period with what its price is made of."""
    names, (since, _, last) = key_names(g.person.account), _period()
    runs = reading.all_runs(g.person.account, since, last)
    return _csv("usage", RUN_COLUMNS, (_run_row(one, names) for one in runs))


def _run_row(run: reading.Run, names: dict[str, str]) -> tuple:
    rate, key = run.rate, names.get(run.api_key or "", run.api_key)
    terms: tuple = ("", "", "")
    if rate:
        terms = (rate.gpu_class, rate.version, Decimal(rate.micro_per_gpu_s) / CREDIT)
    amounts = (run.held, run.amount if rate else 0, run.given_back, run.price)
    told = (run.at, run.run, run.workflow, key, run.kind, run.reason)
    return *told, *terms, run.gpu_ms / 1000, *(Decimal(one) / CREDIT for one in amounts)


@blueprint.get("/statement")
def statement() -> str:
    """Shows every movement of the account."""
    account, before = g.person.account, request.args.get("before", None, int)
    page = services().ledger.statement(account, before=before, limit=ROWS)
    return render_template(
        "dashboard/statement.html",
        lines=statement_rows(account, page),
        more=url_for(".statement", before=page[-1].movement.seq) if len(page) == ROWS else "",
    )


def statement_rows(account: int, lines: list[Line]) -> list[dict[str, Any]]:
    """Returns what rows of a statement show."""
    names, rows = key_names(account), []
    for moved, entries in lines:
        spent = sum(one.amount for one in entries if one.book == "earned")
        about = [
            moved.run,
            names.get(moved.api_key or "", moved.api_key),
            t("statement.spent", amount=figures.in_credits(spent)) if spent > 0 else "",
            t("statement.until", at=figures.at(moved.expires_at)) if moved.expires_at else "",
            t("statement.of", seq=moved.names) if moved.names else "",
            moved.reason,
        ]
        change = sum(one.amount for one in entries if one.book == "available")
        rows.append({"moved": moved, "change": change, "about": [one for one in about if one]})
    return rows


@blueprint.get("/statement.csv")
def statement_csv() -> Response:
    """Sends the journal of the account, an entry in a line."""
    return _csv("statement", STATEMENT_COLUMNS, _entry_rows(g.person.account))


def _entry_rows(account: int) -> Iterator[tuple]:
    before = None
    while page := services().ledger.statement(account, before=before, limit=reading.BATCH):
        before = page[-1].movement.seq
        for moved, entries in page:
            for one in entries:
                what = (moved.at, moved.seq, moved.kind, moved.names, one.grant, one.book)
                yield *what, Decimal(one.amount) / CREDIT, moved.run, moved.api_key, moved.reason


def _csv(name: str, columns: str, rows: Iterator[tuple]) -> Response:
    def lines() -> Iterator[str]:
        yield "\ufeff" + columns.replace(" ", ",") + "\r\n"  # so that Excel reads it as UTF-8
        yield from figures.csv_lines(rows)

    response = Response(stream_with_context(lines()), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="dressform-{name}.csv"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@blueprint.get("/account")
def account() -> str:
    """Shows who is signed in."""
    return render_template("dashboard/account.html")


@blueprint.post("/account")
def describe() -> Any:
    """Changes name and language."""
    name, language = request.form.get("name", ""), request.form.get("language", "")
    services().identity.describe(g.person, name=name.strip(), language=language)
    return done("account", "saved")


form_pages["dashboard.describe"] = account


def key_names(account: int) -> dict[str, str]:
    """Returns what the keys of an account are called, by what the ledger calls them."""
    return {str(one.id): one.name for one in services().keys.list(account)}
