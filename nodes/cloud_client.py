"""The hosted server as programs of its customers call it: JSON, uploads, events, downloads.

Nothing here but the configured server is ever called. What it answers is a stranger's: bounded in
size, and an address in it is followed only to fetch a file, without the key.
"""

import asyncio
import ipaddress
import json
import re
import socket
from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver

MAX_ADDRESS = 300  # characters
MAX_JSON_BYTES = 8_000_000
MAX_EVENT_BYTES = 1_000_000  # one event: a preview is at most 128 KiB
CONNECT_S = 10.0
CALL_S = 60.0
SLOWEST_BYTES_S = 64_000  # of an upload: slower is taken for dead
SILENT_S = 45.0  # the server says something every 15 s while a stream is open
CHUNK_BYTES = 1 << 18
UNREACHABLE = "unreachable"
AGENT = "dressform-comfyui"


class CloudError(Exception):
    """A call that the server refused, or did not answer.

    Attributes:
        code: The server's own in snake case; `unreachable` where none came.
        sentence: In English, for people.
        status: Of HTTP; 0 where no answer came.
        details: What else the server said.
    """

    def __init__(self, code: str, sentence: str, status: int = 0, **details: Any):
        super().__init__(sentence)
        self.code, self.sentence, self.status, self.details = code, sentence, status, details

    @property
    def passes(self) -> bool:
        """Whether the same call may succeed later."""
        again = self.status in (0, 408, 425, 429) or self.status >= 500
        return again or self.code == "in_progress"  # the same call, whose answer was lost


class Event(NamedTuple):
    """One event of a job: a number to resume from, what it is, what it says."""

    seq: str
    kind: str
    data: dict[str, Any]


def address(text: Any) -> str:
    """Returns a server's address in its one form: scheme, host and port, no path.

    Raises:
        ValueError: it is no https address; http is enough only for this computer.
    """
    given = text.strip() if isinstance(text, str) and len(text) <= MAX_ADDRESS else ""
    if given and "://" not in given:
        given = f"https://{given}"
    try:
        parts = urlsplit(given)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    plain = not (parts.username or parts.password or parts.query or parts.fragment)
    good = host.isascii() and host and plain and parts.path in ("", "/")
    if not good or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        raise ValueError(
            "server must be an https address without a path, got something else. Write it like "
            "https://cloud.example.com; http works only for a server on this computer."
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else "")


def is_loopback(host: str) -> bool:
    """Tells whether a host's name or number is this computer."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def segment(name: Any) -> str:
    """Returns an id that a server gave, if it can stand in a path."""
    if not isinstance(name, str) or not re.fullmatch(r"[\w-]{1,100}", name):
        raise CloudError("no-server", "an id is required, got something else.", 502)
    return name


class Client:
    """Calls one server with one key; an asynchronous context manager, for one event loop."""

    def __init__(self, server: str, key: str):
        self.server, self._key = address(server), key
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Client":
        self._session = _session()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        once: str | None = None,
        form: aiohttp.FormData | None = None,
        longest_s: float | None = None,
    ) -> dict[str, Any]:
        """Calls and returns the JSON object of the answer; empty where there is none.

        Args:
            method: Of HTTP.
            path: Begins with /api.
            body: Sent as JSON where given.
            once: Idempotency-Key: the same call again is the same job.
            form: Sent instead of a body.
            longest_s: For which it may take, if not as long as any call.

        Raises:
            CloudError: it was refused, or no answer came.
        """
        headers = {"Idempotency-Key": once} if once else {}
        more = {"json": body, "data": form, "timeout": _timeout(longest_s or CALL_S)}
        try:
            async with self._request(method, path, headers, **more) as answer:
                content = await _limited(answer, MAX_JSON_BYTES)
                if answer.status >= 300:
                    raise _refusal(answer, content)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _silence(self.server, error) from error
        told = _object(content)
        if content and told is None:
            text = "an answer in JSON is required, got something else. Is the address right?"
            raise CloudError("no-server", text, 502)
        return told or {}

    async def upload(self, data: bytes, name: str) -> str:
        """Returns the id of an asset with these bytes; what the server has is not sent again."""
        digest = await asyncio.to_thread(_blake3, data)
        if digest:
            known = {"hash": f"blake3:{digest}", "file_path": name}
            try:
                return str((await self.call("POST", "/api/v2/assets/from-hash", known))["id"])
            except CloudError as error:
                if error.status != 404:
                    raise
        form = aiohttp.FormData()
        form.add_field("file", data, filename=name, content_type="application/octet-stream")
        if digest:
            form.add_field("expected_hash", f"blake3:{digest}")
        longest_s = CALL_S + len(data) / SLOWEST_BYTES_S
        told = await self.call("POST", "/api/v2/assets", form=form, longest_s=longest_s)
        return str(told["id"])

    async def events(self, job: str, after: str = "") -> AsyncIterator[Event]:
        """Yields what happens to a job, from the event after `after`, until the stream ends.

        Raises:
            CloudError: the stream broke; begin again after the last event.
        """
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": after} if after else {})
        timeout = aiohttp.ClientTimeout(connect=CONNECT_S, sock_read=SILENT_S)
        path = f"/api/v2/jobs/{segment(job)}/events"
        try:
            async with self._request("GET", path, headers, timeout=timeout) as answer:
                if answer.status >= 300:
                    raise _refusal(answer, await _limited(answer, MAX_JSON_BYTES))
                async for event in _read_events(answer.content):
                    yield event
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _silence(self.server, error) from error

    async def content(self, asset: str, limit: int) -> AsyncIterator[bytes]:
        """Yields the bytes of an asset; a store that the server points to gets no key.

        Raises:
            CloudError: it is refused, larger than `limit`, or breaks off.
        """
        path = f"/api/v2/assets/{segment(asset)}/content"
        timeout = aiohttp.ClientTimeout(connect=CONNECT_S, sock_read=CALL_S)
        try:
            async with self._request("GET", path, {}, timeout=timeout) as answer:
                if answer.status in (302, 303, 307, 308):
                    public = await _is_public(urlsplit(self.server).hostname or "")
                    elsewhere = self._store(answer.headers.get("Location", ""), public)
                else:
                    async for chunk in _chunks(answer, limit):
                        yield chunk
                    return
            # Without the key: a session of its own. A public server leads into no private network.
            async with (
                _session(public=public) as other,
                other.get(elsewhere, allow_redirects=False, timeout=timeout) as answer,
            ):
                async for chunk in _chunks(answer, limit):
                    yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _silence(self.server, error) from error

    def _request(self, method: str, path: str, headers: dict[str, str], **more: Any) -> Any:
        if self._session is None:
            raise RuntimeError("a client must be entered before it calls")
        return self._session.request(
            method,
            self.server + path,
            headers={"Authorization": f"Bearer {self._key}", **headers},
            allow_redirects=False,
            **{name: value for name, value in more.items() if value is not None},
        )

    def _store(self, location: str, public: bool) -> str:
        """Checks where a file shall be fetched from: encrypted, unless all is on this computer."""
        try:
            parts = urlsplit(location)
        except ValueError:
            parts = urlsplit("")
        own = is_loopback(urlsplit(self.server).hostname or "")
        here = own and parts.scheme == "http" and is_loopback(parts.hostname or "")
        if parts.scheme != "https" and not here:
            raise CloudError("no-server", "a file's address must be https, got another.", 502)
        if public and not _may_be_public(parts.hostname or ""):
            raise CloudError("no-server", "a file's address must be public, got another.", 502)
        return location


class _PublicOnly(AbstractResolver):
    """Finds addresses of names, and refuses those of private networks."""

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[Any]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        if not all(_is_global(place[0]) for *_, place in found):
            raise OSError(f"a public address is required, got a private one for {host}")
        return [
            {"hostname": host, "host": place[0], "port": port, "family": kind, "proto": 0}
            | {"flags": socket.AI_NUMERICHOST}
            for kind, _, _, _, place in found
        ]

    async def close(self) -> None:
        """Has nothing to close."""


async def _is_public(host: str) -> bool:
    """Tells whether a host is in the public internet, and in no network of the user's own."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return any(_is_global(place[0]) for *_, place in found)


def _may_be_public(host: str) -> bool:
    """Tells whether a host is a public number, or a name, which aiohttp has resolved."""
    if ":" in host or host.replace(".", "").isdigit():
        return _is_global(host)
    return True


def _is_global(number: Any) -> bool:
    try:
        return ipaddress.ip_address(str(number).partition("%")[0]).is_global
    except ValueError:
        return False


def _timeout(total_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=total_s, connect=CONNECT_S)


def _session(*, public: bool = False) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(resolver=_PublicOnly()) if public else None
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": AGENT},
        trust_env=False,
    )


async def _limited(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    content = bytearray()
    async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
        content += chunk
        if len(content) > limit:
            raise CloudError("no-server", f"at most {limit} bytes are taken, got more.", 502)
    return bytes(content)


async def _chunks(answer: aiohttp.ClientResponse, limit: int) -> AsyncIterator[bytes]:
    if answer.status >= 300:
        raise _refusal(answer, await _limited(answer, MAX_JSON_BYTES))
    size = 0
    async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
        size += len(chunk)
        if size > limit:
            raise CloudError("too_large", f"a file of at most {limit} bytes is taken.", 413)
        yield chunk


async def _read_events(stream: aiohttp.StreamReader) -> AsyncIterator[Event]:
    """Reads server-sent events: blocks of `field: value` lines with an empty line after each."""
    waiting, told = b"", {"id": "", "event": "", "data": ""}
    async for chunk in stream.iter_any():
        *lines, waiting = (waiting + chunk).split(b"\n")
        for line in lines:
            name, _, value = line.decode(errors="replace").rstrip("\r").partition(":")
            if name in told:
                told[name] += value.removeprefix(" ")
            elif not name and not value:
                if told["data"]:
                    yield Event(told["id"], told["event"], _object(told["data"].encode()) or {})
                told = dict.fromkeys(told, "")
        if len(waiting) + len(told["data"]) > MAX_EVENT_BYTES:
            raise CloudError("no-server", "an event must be small, got a huge one.", 502)


def _refusal(answer: aiohttp.ClientResponse, content: bytes) -> CloudError:
    told = _object(content) or {}
    code, text = told.get("code"), told.get("detail")
    if not isinstance(code, str) or not isinstance(text, str):
        code = "unauthorized" if answer.status == 401 else "no-server"
        text = f"the server must answer as a Dressform server does, got status {answer.status}."
    more = told.get("what_to_do")
    sentence = f"{text} {more}" if isinstance(more, str) and more not in text else text
    return CloudError(code[:60], sentence.strip()[:1000], answer.status, **{
        name: told[name] for name in told if name.startswith("missing_")
    })  # fmt: skip


def _silence(server: str, error: BaseException) -> CloudError:
    what = str(error) or type(error).__name__
    return CloudError(UNREACHABLE, f"{server} must answer, got none: {what[:200]}.")


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _blake3(data: bytes) -> str:
    """Names bytes as the server does; empty where ComfyUI came without the package."""
    try:
        from blake3 import blake3
    except ImportError:
        return ""
    return blake3(data).hexdigest()
