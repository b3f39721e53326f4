"""Pages to sign up, in and out: by password, by a link in a mail, by an identity provider."""

from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request

from ..services import services
from . import browser

blueprint = Blueprint("sign_in", __name__)


@blueprint.get("/sign-in")
def page() -> str:
    return _page()


@blueprint.post("/sign-in")
def by_password() -> Any:
    form = request.form
    someone = services().identity.of_password(form.get("email", ""), form.get("password", ""))
    if someone is None:
        return _page(problem="wrong"), 401
    return _in(someone)


@blueprint.post("/sign-out")
def out() -> Response:
    return browser.dismiss(_to("/sign-in"))


def _page(**what: Any) -> str:
    following = browser.local_path(request.values.get("next"))
    return render_template("identity/sign_in.html", following=following, **what)


def _in(someone: Any) -> Response:
    return browser.admit(someone, _to(browser.local_path(request.values.get("next"))))


def _to(path: str) -> Response:
    return make_response(redirect(path, 303))
