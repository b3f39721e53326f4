"""How often somebody may ask: by key, else by address; fewer times where passwords are tried."""

import time

from flask import Flask, Response, request
from flask_limiter import Limiter, RateLimitExceeded

from .api.calls import known
from .keys import digest
from .problems import answer
from .settings import Settings

# Where a password or a link is tried, and where one is mailed.
TRIED = tuple(f"sign_in.{name}" for name in ("by_password", "mail", "redeem", "set_password"))
TRIES = "10 per minute; 100 per hour"  # from one address
GUESSED = ("sign_in.by_password",)
GUESSES = "30 per hour"  # of one person's password, from wherever; a mailed link still lets them in
MAILED = ("sign_in.mail",)
MAILS = "3 per 10 minutes"  # to one address
FREE = ("healthz", "readyz", "stripe", "static")  # ends of endpoints that are not counted


def _who() -> str:
    if request.path.startswith("/api/") and (key := known()):
        return f"key:{key.id}"
    return _address()


def _address() -> str:
    return f"address:{request.remote_addr}"


def _to() -> str:
    """Names whom a form is about, without keeping the address."""
    email = request.form.get("email", "").strip().lower()
    return f"mail:{digest(email).hex()}"


def register(app: Flask, settings: Settings) -> None:
    """Counts requests; all pages and calls must be there already."""
    limiter = Limiter(
        _who,
        default_limits=[settings.rate_limit],
        storage_uri=settings.rate_limit_storage,
        key_prefix="dressform",
    )
    limiter.request_filter(lambda: (request.endpoint or "").rpartition(".")[2] in FREE)
    # A worker asks as often as it has to; who has no good key is counted.
    limiter.request_filter(lambda: request.blueprint == "worker" and known() is not None)
    kinds = (TRIED, TRIES, _address), (GUESSED, GUESSES, _to), (MAILED, MAILS, _to)
    for names, limit, who in kinds:
        limited = limiter.shared_limit(limit, scope=names[0], key_func=who)
        for name in names:
            app.view_functions[name] = limited(app.view_functions[name])
    limiter.init_app(app)

    @app.errorhandler(RateLimitExceeded)
    def too_many(error: RateLimitExceeded) -> Response:
        hit = limiter.current_limit
        wait_s = max(1, round(hit.reset_at - time.time())) if hit else 1
        text = f"At most {error.description} are possible, got more. Wait {wait_s} s."
        response = answer(429, "limit", text)
        response.headers["Retry-After"] = str(wait_s)
        return response
