"""How often somebody may ask: by key, else by address; fewer times where passwords are tried."""

import hashlib
import time

from flask import Flask, Response, request
from flask_limiter import Limiter, RateLimitExceeded

from .api.calls import known
from .problems import answer
from .settings import Settings

SIGN_IN = "10 per minute; 100 per hour"  # from one address
MAIL = "3 per 10 minutes"  # to one address
FREE = ("healthz", "readyz", "stripe", "static")  # ends of endpoints that are not counted


def _who() -> str:
    if request.path.startswith("/api/") and (key := known()):
        return f"key:{key.id}"
    return f"address:{request.remote_addr}"


def _to() -> str:
    """Names whom a form is about, without keeping the address."""
    email = request.form.get("email", "").strip().lower()
    return f"mail:{hashlib.sha256(email.encode()).hexdigest()}"


limiter = Limiter(
    key_func=_who,
)
tries = limiter.limit(SIGN_IN, methods=["POST"], key_func=lambda: f"tries:{request.remote_addr}")
mailed = limiter.limit(MAIL, methods=["POST"], key_func=_to)


def register(app: Flask, settings: Settings) -> None:
    """Counts requests."""
    app.config.update(
        RATELIMIT_STORAGE_URI=settings.rate_limit_storage,
        RATELIMIT_DEFAULT=settings.rate_limit,
        RATELIMIT_KEY_PREFIX="dressform",
    )
    limiter.init_app(app)
    app.register_error_handler(RateLimitExceeded, _too_many)

    @limiter.request_filter
    def _free() -> bool:
        return (request.endpoint or "").rpartition(".")[2] in FREE


def _too_many(error: RateLimitExceeded) -> Response:
    wait_s = (
        max(1, round(limiter.current_limit.reset_at - time.time())) if limiter.current_limit else 1
    )
    text = f"At most {error.description} are possible, got more. Wait {wait_s} s."
    response = answer(429, "limit", text)
    response.headers["Retry-After"] = str(wait_s)
    return response
