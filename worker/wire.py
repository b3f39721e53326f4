"""The calls to the server. The worker only ever dials out, and tells its key to nobody else."""

import asyncio
import contextlib
import json
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import quote, urljoin, urlsplit

import aiohttp

from . import protocol
from .outputs import File
from .protocol import Lease

PATH = "/api/worker/v1"
TOKEN = "X-Attempt-Token"  # noqa: S105 (the name of a header)
CALL_TIMEOUT_S = 20
WAIT_S = 20  # for a lease, held open by the server; it allows 25
SILENCE_S = 60  # of a transfer that stands still
SLOWEST_BYTES_S = 64_000  # of an upload, whose silence nobody hears: slower is taken for dead
CHUNK_BYTES = 1 << 20
MAX_ANSWER_BYTES = 64 << 20  # a workflow with its strokes; more is no answer of ours
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 5.0  # between tries; a restart of the server takes seconds
RETRIED = frozenset({408, 425, 429})  # and every 5xx
UNKNOWN = frozenset({404, 405})  # a call that an older server does not have
IS_THERE = 412  # a store that takes a file once says so when it comes again

Result = TypeVar("Result")


class AwayError(Exception):
    """The server cannot be reached, or says that the fault is its own: worth another try."""


class StaleTokenError(Exception):
    """The attempt is no longer this worker's."""


class RefusedError(Exception):
    """The server understood and refuses: another try changes nothing."""

    status, code = 0, ""


class Wire:
    """Calls of one worker to one server; an asynchronous context manager."""

    def __init__(self, url: str, key: str):
        self.url = _address(url)
        self._key = key
        self.worker = ""
        self._asks_where = True

    async def __aenter__(self) -> "Wire":
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=SILENCE_S)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def hello(self, told: dict[str, Any]) -> dict[str, Any]:
        """Introduces the worker; returns what the server answers, which names it."""
        answer = await self._json("POST", "/hello", {"protocol": protocol.VERSION, **told})
        if not isinstance(answer, dict) or not answer.get("worker"):
            raise RefusedError(
                f"{self.url} must speak worker protocol {protocol.VERSION}, got "
                f"{str(answer)[:80]}. Check the address."
            )
        self.worker = answer["worker"]
        return answer

    async def lease(self, told: dict[str, Any], wait_s: float = WAIT_S) -> dict[str, Any] | None:
        """Waits for a run; returns the server's words, None where there was nothing to do."""
        body = {"worker": self.worker, **told, "wait_s": wait_s}
        return await self._json("POST", "/lease", body, timeout_s=wait_s + CALL_TIMEOUT_S)

    async def heartbeat(
        self, lease: Lease, told: dict[str, Any], timeout_s: float
    ) -> protocol.Answer:
        """Says that the attempt goes on; returns what is to be done."""
        body = {"token": lease.token, **told}
        answer = await self._json("POST", f"/runs/{lease.run}/heartbeat", body, timeout_s)
        return protocol.answer(answer)

    async def command(self, lease: Lease, wait_s: float = WAIT_S) -> str:
        """Waits for a command, which is told at once; `go` where none came."""
        body = {"token": lease.token, "wait_s": wait_s}
        answer = await self._json("POST", f"/runs/{lease.run}/wait", body, wait_s + CALL_TIMEOUT_S)
        return protocol.command(answer)

    async def preview(self, lease: Lease, node: str, data: bytes, timeout_s: float) -> None:
        """Shows how far the picture of a node is."""
        headers = {TOKEN: lease.token, "X-Node": quote(node, safe=":")}
        path = f"/runs/{lease.run}/preview"
        await self._json("POST", path, data, timeout_s=timeout_s, headers=headers)

    async def upload(self, lease: Lease, digest: str, file: File) -> dict[str, Any]:
        """Uploads an output of the attempt to where the server says; the same again does nothing.

        The key and the token go to the server alone, not to a store that it names.
        """
        if self._asks_where:
            asked = {**file.told, "blake3": digest, "bytes": file.bytes}
            place = await self._where(lease, asked)
            if place.get("url"):
                await self._send(place["url"], place.get("headers") or {}, file)
            if place.get("asset"):
                return place
            self._asks_where = False  # this server has no such store
        with file.open() as body:
            return await self._json(
                "PUT",
                f"/runs/{lease.run}/outputs/{digest}",
                body,
                timeout_s=_longest_s(file),
                params=file.told,
                headers={TOKEN: lease.token},
            )

    async def complete(self, lease: Lease, told: dict[str, Any]) -> None:
        """Ends the attempt well."""
        await self._json("POST", f"/runs/{lease.run}/complete", {"token": lease.token, **told})

    async def fail(self, lease: Lease, told: dict[str, Any]) -> None:
        """Ends the attempt badly; says whose fault it was."""
        await self._json("POST", f"/runs/{lease.run}/fail", {"token": lease.token, **told})

    async def goodbye(self) -> None:
        """Asks for no more leases."""
        await self._json("POST", "/goodbye", {"worker": self.worker})

    async def download(
        self, lease: Lease, url: str, take: Callable[[bytes], object], most_bytes: int
    ) -> None:
        """Passes the bytes at `url` on as they come.

        The key and the token go to the server alone, not to a store that it names.

        Raises:
            protocol.WorkerError: there are more than `most_bytes`.
        """
        target = urljoin(self.url + "/", url)
        own = _origin(target) == _origin(self.url)
        if not own:
            _address(target)
        headers = {TOKEN: lease.token} if own else {}
        async with self._request("GET", target, own=own, timeout_s=None, headers=headers) as answer:
            read_bytes = 0
            async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                read_bytes += len(chunk)
                if read_bytes > most_bytes:
                    raise protocol.WorkerError(
                        "download", f"a file must have {most_bytes} bytes, got more. Report it."
                    )
                take(chunk)

    async def _where(self, lease: Lease, asked: dict[str, Any]) -> dict[str, Any]:
        path = f"/runs/{lease.run}/outputs/url"
        try:
            return await self._json("POST", path, asked, headers={TOKEN: lease.token})
        except RefusedError as error:
            if error.status in UNKNOWN:
                return {}
            raise

    async def _send(self, url: str, headers: dict[str, str], file: File) -> None:
        told = {"headers": headers, "own": False, "timeout_s": _longest_s(file)}
        with file.open() as body:
            try:
                async with self._request("PUT", _address(url), data=body, **told):
                    pass
            except RefusedError as error:
                if error.status != IS_THERE:
                    raise

    async def _json(
        self,
        method: str,
        path: str,
        body: Any,
        timeout_s: float | None = CALL_TIMEOUT_S,
        **options: Any,
    ) -> Any:
        if isinstance(body, dict):
            options["json"] = body
        else:
            options["data"] = body
        async with self._request(
            method, self.url + PATH + path, own=True, timeout_s=timeout_s, **options
        ) as answer:
            if answer.status == 204:
                return None
            text = await _limited(answer)
        try:
            return json.loads(text)
        except ValueError as error:
            raise AwayError(f"{self.url} must answer in JSON, got {text[:80]!r}.") from error

    @contextlib.asynccontextmanager
    async def _request(
        self,
        method: str,
        url: str,
        *,
        own: bool,
        timeout_s: float | None,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = dict(headers or {})
        if own:
            headers["Authorization"] = f"Bearer {self._key}"
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.request(
                    method, url, headers=headers, allow_redirects=False, **options
                ) as answer,
            ):
                await _require_good(answer, url)
                yield answer
        except (aiohttp.ClientError, TimeoutError) as error:
            where = urlsplit(url)
            raise AwayError(
                f"{where.scheme}://{where.netloc}{where.path} must answer, got "
                f"{error or type(error).__name__}."
            ) from error


async def persistently(
    call: Callable[[], Awaitable[Result]], longest_s: float = math.inf
) -> Result:
    """Calls until the server answers; whoever has no more time cancels it.

    Raises:
        AwayError: it has not for so long.
    """
    pause_s, until = FIRST_PAUSE_S, time.monotonic() + longest_s
    while True:
        try:
            return await call()
        except AwayError:
            if time.monotonic() + pause_s > until:
                raise
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


async def _require_good(answer: aiohttp.ClientResponse, url: str) -> None:
    status = answer.status
    if status < 300:
        return
    told = (await _limited(answer)).decode("utf-8", "replace")
    code, detail = _problem(told)
    if status == 409 and code == "stale_token":
        raise StaleTokenError(detail)
    sentence = f"{urlsplit(url).path} must be answered, got status {status}: {detail[:300]}"
    if status in RETRIED or status >= 500:
        raise AwayError(sentence)
    error = RefusedError(sentence)
    error.status, error.code = status, code
    raise error


def _problem(text: str) -> tuple[str, str]:
    """Returns the code and the words of problem+json, or of whatever it is."""
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        return "", text
    inner = told.get("error")
    found = inner if isinstance(inner, dict) else told
    return str(found.get("code", "")), str(found.get("detail") or found.get("message") or text)


async def _limited(answer: aiohttp.ClientResponse) -> bytes:
    text = bytearray()
    async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
        text += chunk
        if len(text) > MAX_ANSWER_BYTES:
            raise RefusedError(f"an answer must stay under {MAX_ANSWER_BYTES} bytes, got more.")
    return bytes(text)


def _longest_s(file: File) -> float:
    return SILENCE_S + file.bytes / SLOWEST_BYTES_S


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _address(url: str) -> str:
    """Returns an address without a slash at the end.

    Raises:
        ValueError: it is none, or anybody on the way could read the key.
    """
    parts = urlsplit(url)
    near = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and near)):
        raise ValueError(
            "the server's address must begin with https:// (http:// only on this machine), got "
            f"{parts.scheme}://{parts.netloc}. Correct --server."
        )
    return url.rstrip("/")
