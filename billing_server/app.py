"""The Flask application: every part made once and put together."""

from collections.abc import Callable
from datetime import datetime
from importlib.util import find_spec
from typing import Any

import sqlalchemy as sa
from apiflask import APIFlask

from . import database, identity
from .identity import browser, sign_in
from .keys import Keys
from .ledger import Ledger
from .ledger.book import utc_now
from .services import Services
from .settings import Settings
from .usage import Usage

MAX_BODY = 1 << 20  # bytes: nobody sends files


def create_app(
    settings: Settings | None = None,
    *,
    engine: sa.Engine | None = None,
    clock: Callable[[], datetime] = utc_now,
    gateway: Any = None,
) -> APIFlask:
    """Makes the application; without settings, from the environment.

    Args:
        settings: What the environment would say.
        engine: A database with tables; without one, the settings' or the embedded one is migrated.
        clock: Tells the time to every rule.
        gateway: To Stripe; without one, to the account of the settings or to a simulator.
    """
    settings = settings or Settings.read()
    if engine is None:
        engine = database.connect(settings.database_url)
        database.migrate(engine)
    app = APIFlask(
        __package__,
        title="Dressform billing",
        version="1",
        spec_path="/openapi.json",
        docs_path=None,
        static_folder=None,
        template_folder="dashboard/templates",
    )
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=MAX_BODY,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.url.startswith("https://"),
    )
    ledger = Ledger(engine, clock)
    app.extensions["services"] = Services(
        settings=settings,
        engine=engine,
        clock=clock,
        ledger=ledger,
        payments=_payments(engine, ledger, gateway, settings, clock),
        identity=identity.People(engine, ledger, clock),
        keys=Keys(engine, clock),
        usage=Usage(engine),
    )
    browser.register(app)
    app.register_blueprint(sign_in.blueprint)
    if find_spec(f"{__package__}.dashboard.views"):
        from .dashboard import blueprint

        app.register_blueprint(blueprint)
    return app


def _payments(*parts: Any) -> Any:
    return None
