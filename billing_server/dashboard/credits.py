"""Pages where credits are bought and given back."""

from decimal import Decimal
from typing import Any

from flask import g, render_template, request, url_for

from ..ledger import CREDIT, NotFoundError
from ..services import services
from ..settings import Pack
from .figures import ZERO_DECIMAL, in_money, micro
from .page import blueprint, done, form_pages

WAITING = ("new", "open", "processing")  # states of an order that may change by themselves


@blueprint.get("/credits")
def credits() -> str:
    """Shows what is sold, auto top-up, and what was bought."""
    payments, account = services().payments, g.person.account
    return render_template(
        "dashboard/credits.html",
        packs=payments.packs(),
        top_up=payments.auto_top_up(account),
        purchases=payments.purchases(account),
        available=services().ledger.balance(account).available,
        currency=services().settings.currency,
        typed_money=lambda minor: f"{Decimal(minor) / _minor():f}",
        unit_price=_unit_price,
    )


def _minor() -> int:
    return 1 if services().settings.currency in ZERO_DECIMAL else 100


def _unit_price(pack: Pack) -> str:
    return in_money(round(pack.price_minor * CREDIT / pack.credits_micro), pack.currency)


@blueprint.post("/credits/buy")
def buy() -> str:
    """Opens the page where a pack is paid."""
    form, back = request.form, services().settings.url + url_for(".order")
    pack, key = form.get("pack", ""), form.get("key", "")
    return _leave(
        services().payments.checkout(g.person.account, pack, key=key, return_url=back).url
    )


@blueprint.post("/credits/portal")
def portal() -> str:
    """Opens the page of cards and invoices."""
    back = services().settings.url + url_for(".credits")
    return _leave(services().payments.portal(g.person.account, back))


def _leave(url: str) -> str:
    """Goes to another site by a page of our own: a redirect would need forms to be free to post."""
    return render_template("dashboard/leave.html", url=url)


@blueprint.get("/credits/order")
def order() -> str:
    """Tells what became of an order; the page asks again until it is known."""
    account = g.person.account
    found = services().payments.order(account, request.args.get("order", ""))
    what = {"order": found, "waiting": found.state in WAITING}
    available = services().ledger.balance(account).available
    return render_template("dashboard/order.html", available=available, **what)


@blueprint.post("/credits/top-up")
def set_top_up() -> Any:
    """Sets auto top-up."""
    form, enabled = request.form, "enabled" in request.form
    services().payments.set_auto_top_up(
        g.person.account,
        enabled=enabled,
        threshold_micro=micro(form.get("threshold", "")),
        pack_id=form.get("pack", ""),
        monthly_cap_minor=micro(form.get("cap", "")) * _minor() // CREDIT,
    )
    return done("credits", "top_up_on" if enabled else "top_up_off")


@blueprint.get("/credits/<order>/refund")
def refund(order: str) -> str:
    """Asks how much of a purchase is given back."""
    for one in services().payments.purchases(g.person.account):
        if one.order == order:
            return render_template("dashboard/refund.html", one=one)
    raise NotFoundError(f"a purchase of this account is required, got {order!a:.60}. Choose one.")


@blueprint.post("/credits/<order>/refund")
def do_refund(order: str) -> Any:
    """Gives unspent credits back for money."""
    amount, key = micro(request.form.get("amount", "")), request.form.get("key", "")
    services().payments.refund(g.person.account, order, amount, key=key)
    return done("credits", "refunded")


for _form in ("buy", "portal", "set_top_up"):
    form_pages[f"dashboard.{_form}"] = credits
form_pages["dashboard.do_refund"] = refund
