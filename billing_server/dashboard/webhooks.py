"""The page of webhooks: who is told of the ends of runs, and how that went."""

from typing import Any

from flask import g, render_template, request

from ..runs.webhooks import EVENTS, Webhooks
from ..services import services
from .page import blueprint, done, form_pages

SHOWN = 10  # deliveries of a webhook


def _hooks() -> Webhooks:
    return services().hosting.webhooks


@blueprint.get("/hooks")
def webhooks(made: Any = None) -> str:
    """Shows webhooks and what they were told; `made` is a new secret and whose, only this once."""
    account = g.person.account
    found = _hooks().of(account)
    told = {one.id: _hooks().deliveries(account, one.id, None, SHOWN) for one in found}
    return render_template(
        "dashboard/webhooks.html", webhooks=found, told=told, events=EVENTS, made=made
    )


@blueprint.post("/hooks")
def create_webhook() -> str:
    """Tells one more address."""
    url, named = request.form.get("url", "").strip(), request.form.getlist("events")
    return webhooks(_hooks().create(g.person.account, url, named))


@blueprint.post("/hooks/<webhook>/rotate")
def rotate_webhook(webhook: str) -> str:
    """Makes a new secret."""
    return webhooks(_hooks().rotate(g.person.account, webhook))


@blueprint.post("/hooks/<webhook>/delete")
def delete_webhook(webhook: str) -> Any:
    """Tells an address nothing more."""
    _hooks().delete(g.person.account, webhook)
    return done("webhooks", "webhook")


@blueprint.post("/hooks/<webhook>/<delivery>/resend")
def resend(webhook: str, delivery: str) -> Any:
    """Tells something again, now."""
    _hooks().resend(g.person.account, webhook, delivery)
    return done("webhooks", "resent")


for _form in ("create_webhook", "rotate_webhook", "delete_webhook", "resend"):
    form_pages[f"dashboard.{_form}"] = lambda **_: webhooks()
