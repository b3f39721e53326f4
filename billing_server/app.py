"""The Flask application: every part made once and put together."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa
from apiflask import APIFlask
from flask import Flask, Response
from werkzeug.middleware.proxy_fix import ProxyFix

from . import api, dashboard, database, logs, metrics, problems, throttle, webhooks
from .assets import worker_files
from .identity import People, browser, sign_in
from .keys import Keys
from .ledger import Ledger
from .ledger.book import utc_now
from .payments import Gateway, Payments, simulator
from .runs import document, jobs_api, webhooks_api
from .runs.deliverer import Deliverer
from .runs.hosting import Hosting
from .services import Services
from .settings import Settings
from .ticker import Ticker
from .usage import Usage

MAX_BODY = 1 << 20  # bytes: nobody sends files
SIMULATED_KEY = "sk_test_simulator"
HSTS = "max-age=31536000; includeSubDomains"


def create_app(
    settings: Settings | None = None,
    *,
    engine: sa.Engine | None = None,
    clock: Callable[[], datetime] = utc_now,
    gateway: Gateway | None = None,
) -> APIFlask:
    """Makes the application; without settings, from the environment.

    Args:
        settings: What the environment would say.
        engine: A database with tables; without one, the settings' or the embedded one is migrated.
        clock: Tells the time to every rule.
        gateway: To Stripe; without one, to the account of the settings or to a simulator.

    Raises:
        ValueError: Half a configuration.
    """
    if settings is None:
        settings = Settings.read()
        logs.set_up()
    if engine is None:
        engine = database.connect(settings.database_url)
        database.migrate(engine)
    app = APIFlask(
        __package__,
        title="Dressform billing",
        version="1",
        spec_path="/openapi.json",
        docs_path=None,
        json_errors=False,
        static_folder=None,
        template_folder="dashboard/templates",
    )
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=MAX_BODY,
        MAX_FORM_MEMORY_SIZE=MAX_BODY,
        SESSION_COOKIE_NAME="dressform_way",  # only on the way in
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.url.startswith("https://"),
    )
    ledger = Ledger(engine, clock)
    gateway = gateway or _gateway(settings)
    services = Services(
        settings=settings,
        engine=engine,
        clock=clock,
        ledger=ledger,
        payments=Payments(engine, ledger, gateway, settings, clock),
        identity=People(engine, ledger, clock),
        keys=Keys(engine, clock),
        usage=Usage(engine),
        hosting=Hosting.make(engine, ledger, clock, settings),
    )
    app.extensions["services"] = services
    logs.register(app)
    problems.register(app)
    browser.register(app)
    sign_in.register(app, settings)
    api.register(app)
    for part in (metrics, webhooks, dashboard, jobs_api, worker_files, webhooks_api):
        app.register_blueprint(part.blueprint)
    app.spec_processor(document.complete)
    throttle.register(app, settings)
    if settings.url.startswith("https://"):
        app.after_request(_only_encrypted)
    if settings.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, settings.proxies, settings.proxies)
    if settings.ticks:
        hosting = services.hosting
        deliverer = Deliverer(hosting.webhooks, hosting.runs.bells, partial(_job, app))
        app.extensions["ticker"] = Ticker(services, deliverer)
        app.extensions["ticker"].start()
    return app


def _job(app: Flask, account: int, run: str) -> dict[str, Any]:
    """Tells webhooks of a job as the API does."""
    with app.app_context():
        return jobs_api.view(app.extensions["services"].hosting.runs.get(account, run))


def _gateway(settings: Settings) -> Gateway:
    """Returns the way to Stripe, or to a simulator in this process."""
    if settings.stripe_secret_key:
        return Gateway(settings.stripe_secret_key, settings.stripe_webhook_secrets)
    secret = "whsec_" + hashlib.sha256(f"simulator {settings.secret_key}".encode()).hexdigest()
    hook, file = f"{settings.url}/webhooks/stripe", settings.data / "simulator.json"
    made = simulator.start(webhook_url=hook, secret=secret, file=file)
    return Gateway(SIMULATED_KEY, (secret,), base_url=made.url)


def _only_encrypted(response: Response) -> Response:
    response.headers["Strict-Transport-Security"] = HSTS
    return response
