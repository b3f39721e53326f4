"""`dressform serve`: the server in one command, with whatever is configured."""

import contextlib
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from werkzeug.serving import WSGIRequestHandler, make_server

from . import app, database, embedded, logs
from .keys import SCOPES
from .services import Services
from .settings import Settings

ADMIN = "admin@localhost"


class _Quiet(WSGIRequestHandler):
    """Leaves the log of requests to the application, which keeps secrets out of it."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Says nothing."""


def serve(
    host: str,
    port: int,
    data: Path | None,
    *,
    admin: str = ADMIN,
    say: Callable[[str], None],
    beside: Callable[[Services, str], AbstractContextManager] | None = None,
) -> None:
    """Serves until it is interrupted.

    Args:
        host: Address to listen at.
        port: The same; 0 is any that is free.
        data: Folder of secret, mails and embedded database; none: of the user.
        admin: E-mail address of the first person who may administrate.
        say: Told addresses, and what is shown only once.
        beside: Of parts and address: what is entered before and left while the server answers.

    Raises:
        ValueError: Half a configuration.
        RuntimeError: The embedded database does not start.
        OSError: The port is taken.
    """
    logs.set_up()
    settings = Settings.read(data=data)
    if settings.simulated and host not in ("127.0.0.1", "localhost", "::1"):
        raise ValueError(
            f"a loopback address is required with the simulator, got {host}. Set DATABASE_URL, "
            "STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET and PUBLIC_URL to serve others."
        )
    # The port first: the simulator, links and cookies must know the address.
    with socket.create_server((host, port)) as listening:
        port = listening.getsockname()[1]
        url = settings.public_url or f"http://{host}:{port}"
        settings = settings._replace(public_url=url)
        engine = database.connect(
            settings.database_url or embedded.start(data and data / "postgresql")
        )
        database.migrate(engine)
        flask = app.create_app(settings, engine=engine)
        server = make_server(
            host, port, flask, threaded=True, request_handler=_Quiet, fd=listening.fileno()
        )
        say(f"Dashboard: {url}")
        say(f"API: {url}/api/v1, described at {url}/openapi.json")
        if settings.simulated:
            say("Payments: a simulator. No money moves.")
        _first(flask.extensions["services"], admin, say)
        serving = threading.Thread(target=server.serve_forever, name="serving", daemon=True)
        serving.start()
        try:
            here = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104
            parts = flask.extensions["services"]
            with beside(parts, here) if beside else contextlib.nullcontext():
                while serving.is_alive():
                    serving.join(1.0)  # an interrupt is heard in between on every system
        finally:
            server.shutdown()
            serving.join()
            server.server_close()
            if "ticker" in flask.extensions:
                flask.extensions["ticker"].stop()
            engine.dispose()


def _first(services: Services, admin: str, say: Callable[[str], None]) -> None:
    """Makes the first admin, if there is none, and tells password and key this once."""
    if services.identity.admins():
        return
    person = services.identity.create(admin, name="Admin", admin=True)
    password = secrets.token_urlsafe(12)
    services.identity.set_password(person, password)
    secret, _ = services.keys.create(person.account, "first", SCOPES)
    say(f"Sign in as {person.email} with the password {password}")
    say(f"Admin key: {secret}")
    say("Both are shown this once. Change the password, and keep the key in a safe place.")
