"""Pages to sign up, in and out: by password, by a link in a mail, by an identity provider.

To sign up is to open a link for the first time: nobody can be here under an address of another, and
no page tells whether an address is known.
"""

from typing import Any

from apiflask import APIBlueprint
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import (
    Flask,
    Response,
    abort,
    current_app,
    g,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from joserfc.errors import JoseError

from .. import mails
from ..ledger import InvalidError
from ..services import services
from ..settings import Settings
from . import browser
from .people import LINK, Person

blueprint = APIBlueprint("sign_in", __name__, enable_openapi=False)  # pages are no API
# In a cookie that is signed: where to go on after the identity provider; who just had a link, when.
FOLLOWING, PROVED = "following", "proved"
# It refused, or what it said is not proved, or it does not answer.
UNPROVED = (OAuthError, JoseError, KeyError, OSError)


def register(app: Flask, settings: Settings) -> None:
    """Adds the pages, and the identity provider if there is one."""
    app.register_blueprint(blueprint)
    if settings.oidc_issuer:
        app.extensions["oidc"] = OAuth(app)
        app.extensions["oidc"].register(
            "provider",
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret,
            server_metadata_url=f"{settings.oidc_issuer}/.well-known/openid-configuration",
            client_kwargs={"scope": "openid email profile", "code_challenge_method": "S256"},
        )


@blueprint.before_request
def _signed_in() -> Any:
    """The page of the password is for who is in."""
    return browser.let_in() if request.path == url_for(".password") else None


@blueprint.get("/sign-in")
def page() -> Any:
    """Ways in."""
    return _page() if browser.person() is None else _to(_following())


@blueprint.post("/sign-in")
def by_password() -> Any:
    """With address and password."""
    form = request.form
    someone = services().identity.of_password(form.get("email", ""), form.get("password", ""))
    return _page(401, error="wrong") if someone is None else _in(someone)


@blueprint.get("/sign-up")
def sign_up() -> Any:
    """The way in for somebody new is a link, too."""
    return _page(new=True)


@blueprint.post("/sign-in/mail")
def mail() -> Any:
    """Mails a link; says the same whether the address is known or not."""
    email = request.form.get("email", "").strip().lower()
    try:
        token = services().identity.link(email)
    except InvalidError:
        return _page(422, error="address")
    link = f"{services().settings.url}{url_for('sign_in.link', token=token, next=_following())}"
    mails.write(services().settings, email, "link", {"link": link})
    return _page(mailed=True)


@blueprint.get("/sign-in/link")
def link() -> Any:
    """Shows a button: programs that look into mails follow links, and must not use them up."""
    return render_template(
        "identity/link.html", token=request.args.get("token", ""), following=_following()
    )


@blueprint.post("/sign-in/link")
def redeem() -> Any:
    """Signs in who has the link, once."""
    someone = services().identity.redeem(request.form.get("token", ""))
    if someone is None:
        return _page(410, error="link")
    session[PROVED] = [someone.id, services().clock().timestamp()]
    return _in(someone)


@blueprint.post("/sign-in/oidc")
def to_provider() -> Any:
    """Goes to the identity provider."""
    session[FOLLOWING] = _following()
    back = f"{services().settings.url}{url_for('sign_in.from_provider')}"
    try:
        return _provider().authorize_redirect(back)
    except OSError:
        return _page(503, error="provider")


@blueprint.get("/sign-in/oidc")
def from_provider() -> Any:
    """Comes back from the identity provider, which must have verified the address."""
    try:
        claims = _provider().authorize_access_token()["userinfo"]
    except UNPROVED:
        return _page(401, error="provider")
    if claims.get("email_verified") is not True or not claims.get("email"):
        return _page(403, error="unverified")
    subject = f"{services().settings.oidc_issuer} {claims['sub']}"
    name = str(claims.get("name") or "")
    someone = services().identity.of_subject(subject, claims["email"], name)
    return _in(someone, browser.local_path(session.pop(FOLLOWING, None)))


@blueprint.post("/sign-out")
def out() -> Any:
    """Ends the session."""
    return browser.dismiss(_to(url_for("sign_in.page")))


@blueprint.get("/password")
def password() -> Any:
    """Where a password is set."""
    return _password()


@blueprint.post("/password")
def set_password() -> Any:
    """Sets a password; whoever has one must know it: a stolen session does not suffice."""
    identity, someone, form = services().identity, g.person, request.form
    if _must_know() and not identity.of_password(someone.email, form.get("current", "")):
        return _password(401, error="current")
    try:
        identity.set_password(someone, form.get("password", ""))
    except InvalidError:
        return _password(422, error="password")
    return browser.admit(someone, _to("/"))  # all other sessions have ended


def _must_know() -> bool:
    """Says whether the current password is asked for: not soon after a link, by who forgot it."""
    person, at = session.get(PROVED, (0, 0.0))
    proved = person == g.person.id and services().clock().timestamp() - at < LINK.total_seconds()
    return not proved and services().identity.has_password(g.person)


def _password(status: int = 200, **what: Any) -> Response:
    page = render_template("identity/password.html", known=_must_know(), **what)
    return make_response(page, status)


def _provider() -> Any:
    if "oidc" not in current_app.extensions:
        abort(404)
    return current_app.extensions["oidc"].provider


def _page(status: int = 200, **what: Any) -> Response:
    what |= {"following": _following(), "oidc": services().settings.oidc_issuer is not None}
    what["mails_leave"] = services().settings.smtp_url is not None
    return make_response(render_template("identity/sign_in.html", **what), status)


def _in(someone: Person, following: str | None = None) -> Response:
    return browser.admit(someone, _to(following or _following()))


def _following() -> str:
    return browser.local_path(request.values.get("next"))


def _to(path: str) -> Response:
    return make_response(redirect(path, 303))
