"""What people see of the simulator: the page for paying, the portal, and what banks do."""

from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request
from werkzeug.wrappers import Response as Answer

from .api import make_payment
from .world import CARDS, StripeError, Thing, World

FAILED = "We could not authenticate your card. Choose another one."


def pages(world: World) -> Blueprint:
    """Makes the pages of a world."""
    blueprint = Blueprint("pages", __name__, template_folder="templates")

    @blueprint.before_request
    def _lock() -> None:
        world.lock.acquire()

    @blueprint.teardown_request
    def _unlock(error: BaseException | None) -> None:
        world.keep()
        world.lock.release()

    @blueprint.get("/pay/<id_>")
    def pay(id_: str) -> str:
        return _paying(_thing(world, id_, "checkout.session"))

    @blueprint.post("/pay/<id_>")
    def paid(id_: str) -> Answer | str:
        session = _thing(world, id_, "checkout.session")
        if session["status"] != "open":
            return _paying(session)
        number = "".join(request.form.get("card", "").split())
        if number not in CARDS:
            return _paying(session, "The simulator knows only the cards below.")
        payment = _payment(world, session)
        return _try(world, session, payment, world.card(number))

    @blueprint.post("/pay/<id_>/authenticate")
    def authenticate(id_: str) -> Answer | str:
        session = _thing(world, id_, "checkout.session")
        payment = _payment(world, session)
        if session["status"] != "open" or payment["status"] != "requires_action":
            return _paying(session)
        if request.form.get("answer") != "yes":
            error = {"code": "payment_intent_authentication_failure", "message": FAILED}
            payment |= {"status": "requires_payment_method", "last_payment_error": error}
            world.happen("payment_intent.payment_failed", payment)
            return _paying(session, FAILED)
        card = _thing(world, payment["next_card"], "payment_method")
        return _try(world, session, payment, card, authenticated=True)

    @blueprint.get("/portal/<id_>")
    def portal(id_: str) -> str:
        session = _thing(world, id_, "billing_portal.session")
        customer = world.get(session["customer"], "customer")
        same = {"customer": customer["id"]}
        shown = {"cards": world.all("payment_method", **same), "customer": customer}
        shown["invoices"] = world.all("invoice", **same)
        shown["under_way"] = world.all("payment_intent", **same, status="processing")
        return render_template("portal.html", session=session, **shown)

    @blueprint.post("/portal/<id_>")
    def change(id_: str) -> Answer:
        session = _thing(world, id_, "billing_portal.session")
        customer = world.get(session["customer"], "customer")
        what = request.form.get("do")
        if what in ("settle", "bounce"):
            payment = _thing(world, request.form.get("payment", ""), "payment_intent")
            if payment["status"] == "processing":
                world.settle(payment, succeeds=what == "settle")
            return redirect(request.path, 303)
        card = _thing(world, request.form.get("card", ""), "payment_method")
        if what == "remove":
            card["customer"] = None
        else:
            customer["invoice_settings"]["default_payment_method"] = card["id"]
        return redirect(request.path, 303)

    @blueprint.get("/<any(invoice, receipt):kind>/<id_>")
    def document(kind: str, id_: str) -> str:
        thing = _thing(world, id_, "invoice" if kind == "invoice" else "charge")
        return render_template("document.html", kind=kind, thing=thing)

    @blueprint.post("/_do/<what>/<id_>")
    def do(what: str, id_: str) -> Response:
        """Does what banks do: settle, bounce, dispute, won, lost, warn, fail_refund."""
        thing = world.things.get(id_) or abort(404)
        acts: dict[str, Any] = {
            "settle": lambda: world.settle(thing, succeeds=True),
            "bounce": lambda: world.settle(thing, succeeds=False),
            "dispute": lambda: world.dispute(thing, request.args.get("amount", type=int)),
            "won": lambda: world.close_dispute(thing, "won"),
            "lost": lambda: world.close_dispute(thing, "lost"),
            "warn": lambda: world.warn(thing),
            "fail_refund": lambda: world.fail_refund(thing),
            "refund": lambda: world.refund(thing, request.args.get("amount", type=int), {}),
        }
        done = acts.get(what) or abort(404)
        return jsonify(done() or thing)

    return blueprint


def _thing(world: World, id_: str, kind: str) -> Thing:
    thing = world.things.get(id_)
    return thing if thing is not None and thing["object"] == kind else abort(404)


def _paying(session: Thing, error: str | None = None) -> str:
    return render_template("pay.html", session=session, cards=CARDS, error=error)


def _payment(world: World, session: Thing) -> Thing:
    """Returns the payment of a session; makes it the first time that somebody tries to pay."""
    if session["payment_intent"] is not None:
        return world.things[session["payment_intent"]]
    asked = session["payment_intent_data"]
    same = {name: session[name] for name in ("currency", "customer")}
    more = {"setup_future_usage": asked.get("setup_future_usage")}
    more["metadata"] = asked.get("metadata", {})
    payment = make_payment(world, session["amount_total"], **same, **more)
    session["payment_intent"] = payment["id"]
    return payment


def _try(
    world: World, session: Thing, payment: Thing, card: Thing, *, authenticated: bool = False
) -> Answer | str:
    try:
        world.pay(payment, card, away=False, authenticated=authenticated)
    except StripeError as error:
        return _paying(session, str(error))
    if payment["status"] == "requires_action":
        payment["next_card"] = card["id"]
        return render_template("authenticate.html", session=session)
    world.paid(session, payment)
    return redirect(session["success_url"], 303)
