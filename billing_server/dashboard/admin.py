"""Pages for who runs the server: customers, rates, health."""

from datetime import UTC, datetime
from typing import Any

from flask import g, render_template, request

from .. import verification
from ..services import services
from . import reading
from .figures import micro
from .page import blueprint, done, form_pages
from .views import ROWS, statement_rows

GIVEN = ("goodwill", "promotional")  # paid credits come from payments alone


@blueprint.get("/admin/customers")
def customers() -> str:
    """Lists people and what they have."""
    search, after = request.args.get("search", "")[:200], request.args.get("after", 0, int)
    people = services().identity.everybody(search, after=after, limit=ROWS)
    accounts = [one.account for one in people]
    balances = {one.id: one for one in reading.rows(reading.BALANCES, ids=accounts)}
    more = people[-1].id if len(people) == ROWS else None
    shown = {"people": people, "search": search, "balances": balances, "after": more}
    return render_template("dashboard/customers.html", **shown)


@blueprint.get("/admin/customers/<int:account>")
def customer(account: int) -> str:
    """Shows an account."""
    parts = services()
    return render_template(
        "dashboard/customer.html",
        account=account,
        people=parts.identity.of_account(account),
        balance=parts.ledger.balance(account),
        lines=statement_rows(account, parts.ledger.statement(account, limit=ROWS)),
        kinds=GIVEN,
    )


@blueprint.post("/admin/customers/<int:account>/grants")
def grant(account: int) -> Any:
    """Gives credits; the reason and who gave them stay in the journal."""
    form = request.form
    kind, reason = form.get("kind", ""), form.get("reason", "").strip()
    if kind not in GIVEN or not reason:
        given = " or ".join(GIVEN)
        raise ValueError(f"{given} and a reason are required, got {kind!a:.40}. Give both.")
    amount, expires_at = micro(form.get("amount", "")), _time(form.get("expires_at"))
    key, reason = f"grant:{form.get('key', '')}", f"{reason} (person {g.person.id})"
    terms: dict[str, Any] = {"expires_at": expires_at, "reason": reason}
    services().ledger.grant(account, amount, kind, key=key, **terms)
    return done("customer", "granted", account=account)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


@blueprint.get("/admin/rates")
def rates() -> str:
    """Shows the rate card."""
    rows, now = services().ledger.card.rates(), services().clock()
    current = {one.gpu_class: one.id for one in rows if one.valid_from <= now}
    return render_template("dashboard/rates.html", rates=rows, current=current.values())


@blueprint.post("/admin/rates")
def add_rate() -> Any:
    """Adds a row to the rate card."""
    form = request.form
    services().ledger.card.add(
        form.get("gpu_class", "").strip(),
        micro(form.get("rate", "")),
        minimum_micro=micro(form.get("minimum") or "0"),
        step_ms=int(form.get("step_ms") or 1),
        valid_from=_time(form.get("valid_from")),
    )
    return done("rates", "rate")


@blueprint.get("/admin/health")
def health() -> str:
    """Shows what waits, what differs from Stripe, and whether the ledger added up."""
    parts, (unsent, oldest) = services(), reading.rows(reading.UNSENT)[0]
    shown = {"settings": parts.settings, "reconciled": parts.payments.reconciled()}
    shown |= {"unsent": unsent, "oldest": oldest, "checked": verification.last(parts)}
    return render_template("dashboard/health.html", **shown)


@blueprint.post("/admin/health")
def verify() -> Any:
    """Lets the ledger be recomputed from its entries, beside the requests."""
    verification.ask(services())
    return done("health", "asked")


form_pages |= {"dashboard.grant": customer, "dashboard.add_rate": rates}
