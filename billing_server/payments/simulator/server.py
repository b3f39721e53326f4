"""The simulator's server: a thread of this process, on the loopback address."""

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask, Response, jsonify, request
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from . import api, pages
from .contract import parse
from .delivery import Delivery
from .world import World, now

SECRET_KEY = "sk_test_simulator"  # noqa: S105 (it opens nothing)
WEBHOOK_SECRET = "whsec_simulator"  # noqa: S105
FAULTS = ("lost", "lost_after", "error", "error_after", "busy", "conflict")


class Simulator(NamedTuple):
    """A running simulator. `world` is what it remembers, `delivery` its webhooks."""

    url: str
    world: World
    delivery: Delivery | None
    server: BaseWSGIServer
    thread: threading.Thread

    def stop(self) -> None:
        """Ends it."""
        if self.delivery is not None:
            self.delivery.stop()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def start(
    port: int = 0,
    *,
    webhook_url: str | None = None,
    secret: str = WEBHOOK_SECRET,
    file: Path | None = None,
    clock: Callable[[], float] = now,
) -> Simulator:
    """Starts a simulator.

    Args:
        port: Where it listens; 0 is any that is free.
        webhook_url: Where events are sent; without it they wait in `events.list`.
        secret: What they are signed with.
        file: Keeps its state over a restart; without it, it forgets.
        clock: Dates what happens, in seconds since 1970.
    """
    app = Flask(__name__)
    port = port or _last_port(file)
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
    world = World(f"http://127.0.0.1:{server.server_port}", clock, file)
    app.register_blueprint(pages.pages(world))
    _add_api(app, world)
    delivery = Delivery(world, webhook_url, secret) if webhook_url else None
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    return Simulator(world.url, world, delivery, server, thread)


def _last_port(file: Path | None) -> int:
    """Returns the port of the last time, so that addresses given then are still good."""
    if file is None or not file.exists():
        return 0
    port = json.loads(file.read_text(encoding="utf-8"))["port"]
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Says nothing: there is a log of the server already."""


def _add_api(app: Flask, world: World) -> None:
    @app.route("/v1/<path:path>", methods=["GET", "POST", "DELETE"])
    def v1(path: str) -> Response:
        given = parse(list((request.form if request.method == "POST" else request.args).items()))
        with world.lock:
            fault = world.fault(f"{request.method} /v1/{path}") or {}
            kind = fault.get("kind")
            if kind == "lost":
                return _hang_up()
            if kind in ("error", "busy", "conflict"):
                return _error({"error": 500, "busy": 429, "conflict": 409}[kind])
            status, body = api.answer(world, request.method, path, given, request.headers)
            if kind == "error_after":  # as Stripe does: what is kept for the key is the error
                status, body = 500, {"error": {"type": "api_error", "message": "Sorry."}}
                key = request.headers.get("Idempotency-Key")
                if key in world.answers:
                    world.answers[key][1:] = [status, body]
            world.keep()
        if kind == "lost_after":
            return _hang_up()
        response = jsonify(body)
        response.status_code = status
        return response

    @app.post("/_faults")
    def faults() -> Response:
        """Scripts faults: [{"at": "POST /v1/refunds", "kind": one of FAULTS, "times": 2}, ...].

        At "webhook" the kinds are lose, duplicate, reorder and delay (by "s" seconds).
        """
        with world.lock:
            world.faults[:] = json.loads(request.data)
        return jsonify(world.faults)


def _error(status: int) -> Response:
    kind = {429: "rate_limit_error", 409: "idempotency_error"}.get(status, "api_error")
    response = jsonify({"error": {"type": kind, "message": "A fault was scripted."}})
    response.status_code = status
    return response


def _hang_up() -> Response:
    """Closes the connection: whoever asked does not learn what happened."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    return Response(status=500)
