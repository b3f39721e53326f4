"""Speaks to a running ComfyUI: HTTP for requests, a websocket for progress."""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp

REQUEST_TIMEOUT_S = 120  # /object_info of a server with many packs takes seconds
SILENCE_S = 2.0  # a socket that says nothing may have lost the end: the history is asked
LOST_S = 30.0  # a prompt that is neither queued nor in the history for so long is lost
CHUNK_BYTES = 1 << 20
# A binary message begins with its kind, 1 for a preview, and that of the picture (protocol.py).
PREVIEW, PREVIEW_HEAD_BYTES = b"\0\0\0\1", 8

Prompt = dict[str, dict[str, Any]]


class Event(NamedTuple):
    """Something that the server said about a prompt.

    Attributes:
        kind: `cached`, `node` (it runs now), `progress`, `executed` or `preview`.
        node: The node's id; empty for a preview, which is of the node that runs.
        value, maximum: Steps, for `progress`.
        data: A picture in JPEG or PNG, for `preview`.
    """

    kind: str
    node: str
    value: float = 0
    maximum: float = 0
    data: bytes = b""


class Execution(NamedTuple):
    """A prompt that has ended: its id and the server's record of it."""

    prompt_id: str
    history: dict[str, Any]


class Client:
    """One connection to one server; an asynchronous context manager."""

    def __init__(self, url: str):
        self.url = _address(url)
        self._id = uuid.uuid4().hex
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=REQUEST_TIMEOUT_S)
        self._open = lambda: aiohttp.ClientSession(timeout=timeout)
        self._session: aiohttp.ClientSession
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    async def __aenter__(self) -> "Client":
        self._session = self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def object_info(self) -> dict[str, Any]:
        """Returns the schema of every node of the server, by class type."""
        return await self._json("GET", "/object_info")

    async def system_stats(self) -> dict[str, Any]:
        """Returns versions and devices of the server."""
        return await self._json("GET", "/system_stats")

    async def upload(self, path: Path) -> str:
        """Uploads a file to the server's input folder; returns its name there.

        A different file of the same name is not overwritten: the server picks a new name.
        """
        form = aiohttp.FormData()
        form.add_field("image", path.read_bytes(), filename=path.name)
        form.add_field("type", "input")
        answer = await self._json("POST", "/upload/image", data=form)
        return "/".join(part for part in (answer.get("subfolder"), answer["name"]) if part)

    async def execute(
        self, prompt: Prompt, on_event: Callable[[Event], None], workflow: dict | None = None
    ) -> Execution:
        """Runs a prompt in API format to its end; interrupts it when cancelled.

        Args:
            prompt: Nodes by id.
            on_event: Called with everything that the server says about this prompt.
            workflow: The UI-format document, which ComfyUI writes into the saved pictures.

        Raises:
            ValueError: the server refused a part of the prompt, even where it would run the rest.
            RuntimeError: a node failed, or the server went away.
        """
        execution = await self.conclude(prompt, on_event, workflow)
        failure = failed(execution.history, prompt)
        if failure:
            raise RuntimeError(failure)
        return execution

    async def conclude(
        self,
        prompt: Prompt,
        on_event: Callable[[Event], None],
        workflow: dict | None = None,
        *,
        on_queued: Callable[[str], None] = lambda prompt_id: None,
    ) -> Execution:
        """Runs a prompt as `execute` does, and returns its record even where it failed.

        Args:
            prompt: Nodes by id.
            on_event: Called with everything that the server says about this prompt.
            workflow: The UI-format document.
            on_queued: Called with the id, by which another call may interrupt it.
        """
        await self._connect()  # before the prompt, so that no event is missed
        try:
            prompt_id = await self._submit(prompt, workflow)
            on_queued(prompt_id)
            try:
                history = await self._follow(prompt_id, on_event)
            except BaseException:
                with contextlib.suppress(OSError, RuntimeError):
                    await self.interrupt(prompt_id)
                raise
        finally:
            await self._disconnect()
        return Execution(prompt_id, history)

    async def forget(self) -> None:
        """Empties the server's history, which holds prompts and what they put out."""
        await self._json("POST", "/history", json={"clear": True})

    async def interrupt(self, prompt_id: str) -> None:
        """Takes a prompt out of the queue, or stops it where it runs."""
        await self._json("POST", "/queue", json={"delete": [prompt_id]})
        await self._json("POST", "/interrupt", json={"prompt_id": prompt_id})

    async def download(self, file: dict[str, str], path: Path) -> int:
        """Writes an output of the server to `path`, whole or not at all; returns its bytes.

        Args:
            file: `filename`, `subfolder` and `type`, as the history has it.

        Raises:
            RuntimeError: the server does not have it, or it is empty.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{self._id}.partial")
        try:
            async with self._request("GET", "/view", params=file) as answer:
                if answer.status != 200:
                    raise RuntimeError(
                        f"{file['filename']} must come from {self.url}, got status "
                        f"{answer.status}. Run the workflow again; read the server's log."
                    )
                with partial.open("wb") as stream:
                    async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                        stream.write(chunk)
            size_bytes = partial.stat().st_size
            if not size_bytes:
                raise RuntimeError(
                    f"{file['filename']} must have content, got an empty file. Read the server's "
                    "log: its disk may be full."
                )
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return size_bytes

    async def _submit(self, prompt: Prompt, workflow: dict | None) -> str:
        body: dict[str, Any] = {"prompt": prompt, "client_id": self._id}
        if workflow:
            body["extra_data"] = {"extra_pnginfo": {"workflow": workflow}}
        async with self._request("POST", "/prompt", json=body) as answer:
            told = await self._decoded(answer)
        refusals = refused(told, prompt)
        if refusals:
            # At status 200 the valid rest is queued already: it is taken back.
            if told.get("prompt_id"):
                await self.interrupt(told["prompt_id"])
            raise ValueError("\n".join(refusals))
        if "prompt_id" not in told:
            raise RuntimeError(
                f"{self.url} must queue the prompt, got {str(told)[:300]}. Read the server's log."
            )
        return told["prompt_id"]

    async def _connect(self) -> None:
        await self._disconnect()
        with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
            self._socket = await self._session.ws_connect(
                f"{self.url}/ws", params={"clientId": self._id}, max_msg_size=0, heartbeat=30
            )

    async def _disconnect(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    async def _follow(self, prompt_id: str, on_event: Callable[[Event], None]) -> dict[str, Any]:
        """Follows events; the history alone decides that it ended, with or without a socket."""
        seen_at = time.monotonic()
        while True:
            ended = False
            if self._socket is None or self._socket.closed:
                await asyncio.sleep(SILENCE_S / 2)
                await self._connect()
            else:
                message = await _received(self._socket)
                if message is not None:
                    ended = _tell(message, prompt_id, on_event)
                    if not ended:
                        seen_at = time.monotonic()
                        continue
            try:
                entry = await self._ended(prompt_id, patience_s=SILENCE_S if ended else 0)
                if entry is not None:
                    return entry
                if await self._is_queued(prompt_id):
                    seen_at = time.monotonic()
            except (TimeoutError, aiohttp.ClientError, OSError, RuntimeError):
                pass  # it may come back; below it is given up
            if time.monotonic() - seen_at > LOST_S:
                raise RuntimeError(
                    f"{self.url} must finish prompt {prompt_id}, got no sign of it for "
                    f"{LOST_S:.0f} s. The server has ended or was restarted: read its log, then "
                    "run the workflow again."
                )

    async def _ended(self, prompt_id: str, patience_s: float) -> dict[str, Any] | None:
        # ComfyUI writes the history after it has announced the end.
        deadline = time.monotonic() + patience_s
        while True:
            entry = (await self._json("GET", f"/history/{prompt_id}")).get(prompt_id)
            if entry is not None or time.monotonic() >= deadline:
                return entry
            await asyncio.sleep(0.05)

    async def _is_queued(self, prompt_id: str) -> bool:
        queue = await self._json("GET", "/queue")
        entries = [*queue.get("queue_running", ()), *queue.get("queue_pending", ())]
        return any(prompt_id in entry[:3] for entry in entries)

    @contextlib.asynccontextmanager
    async def _request(
        self, method: str, path: str, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._session.request(method, self.url + path, **options) as answer:
                yield answer
        except aiohttp.ClientConnectorError as error:
            raise RuntimeError(
                f"a ComfyUI must listen at {self.url}, got: {error.os_error}. "
                "Start it, or correct --server."
            ) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RuntimeError(
                f"{self.url}{path} must answer to the end, got: {error or type(error).__name__}. "
                "The server has ended or is too busy: read its log, then run it again."
            ) from error

    async def _json(self, method: str, path: str, **options: Any) -> Any:
        async with self._request(method, path, **options) as answer:
            if answer.status >= 400:
                raise RuntimeError(
                    f"{self.url}{path} must answer, got status {answer.status}. "
                    "Check that the address is that of a ComfyUI; read its log."
                )
            return await self._decoded(answer)

    async def _decoded(self, answer: aiohttp.ClientResponse) -> Any:
        body = await answer.read()
        if not body:
            return {}
        try:
            return json.loads(body)
        except ValueError as error:
            raise RuntimeError(
                f"{self.url} must answer in JSON, got {body[:80]!r}. "
                "Check that the address is that of a ComfyUI."
            ) from error


def _address(url: str) -> str:
    """Returns a server's address with its scheme and without a slash at the end.

    Raises:
        ValueError: it is no address of the web.
    """
    address = (url if "://" in url else f"http://{url}").rstrip("/")
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number
        good = False
    if not good or any(letter.isspace() for letter in address):
        raise ValueError(
            f"the server's address must be like http://127.0.0.1:8188, got {url!r}. "
            "Correct --server."
        )
    return address


def refused(answer: dict[str, Any], prompt: Prompt) -> list[str]:
    """Returns a sentence for each thing the server refused; none where it took everything."""
    sentences = []
    for node, errors in (answer.get("node_errors") or {}).items():
        for error in errors.get("errors", ()):
            details = error.get("details") or ""
            message = error.get("message", "refused")
            text = f"{message}: {details}" if details else message
            sentences.append(f"{title(prompt, node)}: {text}")
    error = answer.get("error")
    if error and not sentences:
        text = error if isinstance(error, str) else error.get("message", str(error))
        details = "" if isinstance(error, str) else error.get("details") or ""
        sentences.append(f"the server refused the workflow: {text} {details}".strip())
    return sentences


def failed(history: dict[str, Any], prompt: Prompt) -> str | None:
    """Returns a sentence where the history entry is that of a failed run, else None."""
    status = history.get("status") or {}
    messages = {kind: data for kind, data in status.get("messages", ())}
    error = messages.get("execution_error")
    if error:
        text = str(error.get("exception_message", "")).strip()
        # Nodes of this pack say what to do, in sentences; others seldom do.
        advice = "" if text.endswith(".") else " Look at its inputs, and read the server's log."
        return f"{title(prompt, str(error.get('node_id')))}: {text}{'.' if advice else ''}{advice}"
    if "execution_interrupted" in messages:
        return "the run was interrupted on the server. Run the workflow again."
    if status.get("status_str") == "error":
        return "the server reports an error without a message. Read its log."
    return None


def title(prompt: Prompt, node: str) -> str:
    """Returns how a node is called in messages: its title and its id."""
    entry = prompt.get(node) or {}
    name = (entry.get("_meta") or {}).get("title") or entry.get("class_type")
    return f"{name} (node {node})" if name else f"node {node}"


async def _received(socket: aiohttp.ClientWebSocketResponse) -> dict | bytes | None:
    """Returns the next message, JSON or bytes; None after silence or the end of the socket."""
    try:
        message = await socket.receive(SILENCE_S)
    except TimeoutError:
        return None
    if message.type == aiohttp.WSMsgType.TEXT:
        return json.loads(message.data)
    if message.type == aiohttp.WSMsgType.BINARY:
        return message.data
    await socket.close()
    return None


def _tell(message: dict | bytes, prompt_id: str, on_event: Callable[[Event], None]) -> bool:
    """Passes a message on as events; tells whether it announced the end of the prompt."""
    if isinstance(message, bytes):
        if message.startswith(PREVIEW):
            on_event(Event("preview", "", data=message[PREVIEW_HEAD_BYTES:]))
        return False
    kind, data = message.get("type"), message.get("data") or {}
    if data.get("prompt_id") != prompt_id:
        return False
    if kind == "execution_cached":
        for node in data.get("nodes", ()):
            on_event(Event("cached", str(node)))
    elif kind == "executing" and data.get("node") is not None:
        on_event(Event("node", str(data["node"])))
    elif kind == "executed":
        on_event(Event("executed", str(data["node"])))
    elif kind == "progress_state":
        for node, state in (data.get("nodes") or {}).items():
            if state.get("state") == "running":
                on_event(Event("progress", str(node), state["value"], state["max"]))
    return kind in ("execution_success", "execution_error", "execution_interrupted")
