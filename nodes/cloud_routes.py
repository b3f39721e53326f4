"""What the sidebar asks ComfyUI about hosted runs; only this computer's own pages may ask.

All are POST with JSON both ways below /dressform/cloud. Refusals are {"code", "error"}. What
happens to runs is told over ComfyUI's own websocket: `dressform.cloud` has a run, and
`dressform.cloud.preview` a picture of one.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from . import cloud_account, cloud_calls, cloud_client, cloud_graph
from .cloud_client import CloudError
from .cloud_runs import Runs
from .hint_routes import body_of, parsed
from .photo_files import Refused

# Names of this ComfyUI for pages of other computers, parted by commas; else only this computer's.
HOSTS_VARIABLE = "DRESSFORM_CLOUD_HOSTS"
FORWARDED = ("Forwarded", "X-Forwarded-For")  # of proxies, behind which anybody may be
MAX_LABEL = 200  # characters
MAX_CREDITS = 1_000_000.0
MAX_BODY_BYTES = 8_000_000  # a workflow; the server takes 1 MiB


def serve() -> None:
    """Adds the routes; ComfyUI must not serve HTTP yet."""
    module = sys.modules.get("server")  # importing it would start half of ComfyUI
    if module is None:
        return
    server = module.PromptServer.instance
    desk = Desk(Runs(server.send_sync))
    for name in ("state", "connect", "disconnect", "quote", "run", "cancel", "retry", "forget"):
        server.routes.post(f"/dressform/cloud/{name}")(_answer(getattr(desk, name)))


class Desk:
    """The calls; each takes the JSON of a request and returns that of its answer."""

    def __init__(self, runs: Runs):
        self._runs = runs

    async def state(self, content: dict) -> dict:
        """What is connected, what it has, and the last runs; no balance if `local` is true."""
        account = cloud_account.load()
        told: dict[str, Any] = {"connected": False}
        if account:
            told = account.view() | {"balance": None, "trouble": None}
        if account and not content.get("local"):
            try:
                async with account.client() as client:
                    told["balance"] = await cloud_calls.balance(client)
            except CloudError as error:
                told["trouble"] = {"code": error.code, "error": error.sentence}
        return {**told, "runs": self._runs.list()}  # not from before the server was asked

    async def connect(self, content: dict) -> dict:
        """Keeps an address and a key, once a call with them has gone well."""
        account = cloud_account.read(content.get("server"), content.get("key"))
        async with account.client() as client:
            told = await cloud_calls.check(client)
        cloud_account.keep(account)
        return {**account.view(), "balance": told, "trouble": None, "runs": self._runs.list()}

    async def disconnect(self, _: dict) -> dict:
        """Forgets the key; runs that are under way go on, and are fetched when it comes back."""
        cloud_account.forget()
        return {"connected": False, "runs": self._runs.list()}

    async def quote(self, content: dict) -> dict:
        """What the workflow would cost, and what is missing for it."""
        graph = cloud_graph.clean(content.get("workflow"))
        async with cloud_account.require().client() as client:
            told, balance = await asyncio.gather(
                cloud_calls.quote(client, graph), cloud_calls.balance(client)
            )
        return {**told, "balance": balance}

    async def run(self, content: dict) -> dict:
        """Begins a run that costs no more than `at_most` credits."""
        account = cloud_account.require()
        given = content.get("workflow")
        graph = cloud_graph.clean(given)
        run = self._runs.start(
            account,
            graph,
            label=str(content.get("label") or "")[:MAX_LABEL],
            client=str(content.get("client") or "")[:MAX_LABEL],
            gpu_class=str(content.get("gpu_class") or "")[:MAX_LABEL],
            titles=cloud_graph.titles(given or {}),
            at_most=min(_amount(content, "at_most"), MAX_CREDITS),
        )
        return {"run": run.view()}

    async def cancel(self, content: dict) -> dict:
        """Asks a run to end."""
        self._runs.cancel(content.get("run", ""))
        return {}

    async def retry(self, content: dict) -> dict:
        """Asks a server that was gone again at once."""
        self._runs.retry(content.get("run", ""))
        return {}

    async def forget(self, content: dict) -> dict:
        """Takes a run off the list."""
        self._runs.forget(content.get("run", ""))
        return {"runs": self._runs.list()}


def _answer(work: Callable[[dict], Awaitable[dict]]) -> Callable:
    async def answer(request: web.Request) -> web.Response:
        try:
            require_own_page(request)
            told = await work(parsed(await body_of(request, MAX_BODY_BYTES)))
        except Refused as refusal:
            return _refused(refusal.status, refusal.code, refusal.sentence)
        except CloudError as error:
            # Of the hosted server: 401 is not ComfyUI's own.
            return _refused(502, error.code, error.sentence)
        response = web.json_response(told)
        response.headers["Cache-Control"] = "no-store"
        return response

    return answer


def _refused(status: int, code: str, sentence: str) -> web.Response:
    return web.json_response({"code": code, "error": sentence}, status=status)


def require_own_page(request: web.Request) -> None:
    """Refuses requests of other sites' pages and of other computers: they would spend credits.

    Raises:
        Refused: the request comes from elsewhere.
    """
    host = _name(f"//{request.headers.get('Host', '')}")
    allowed = {one.strip().lower() for one in os.environ.get(HOSTS_VARIABLE, "").split(",")} - {""}
    here = cloud_client.is_loopback(host) and cloud_client.is_loopback(request.remote or "")
    here = here and not any(name in request.headers for name in FORWARDED)
    if not (here or host in allowed):
        raise Refused(
            403,
            "not-this-computer",
            f"a page of this computer is required, got one of {host[:80]!r}. Whoever runs ComfyUI "
            f"for others may set {HOSTS_VARIABLE} to the name it is reached by; they then share "
            "the credits.",
        )
    origin = request.headers.get("Origin")
    own = origin is None or urlsplit(origin).netloc.lower() == request.headers["Host"].lower()
    if not own or request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise Refused(403, "other-page", "a page of ComfyUI is required, got another site's.")
    if request.content_type != "application/json":
        raise Refused(415, "not-json", "a request must be JSON, got something else.")


def _amount(content: dict, name: str) -> float:
    given = content.get(name, 0)
    if isinstance(given, bool) or not isinstance(given, int | float) or not given >= 0:
        raise Refused(400, "bad-request", f"{name} must be a number from 0, got something else.")
    return float(given)


def _name(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""
