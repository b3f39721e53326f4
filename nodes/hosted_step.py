"""One hosted run inside a local one: quoted, sent, followed, interrupted, fetched."""

import asyncio
import contextlib
import hashlib
import io as files
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

import comfy.model_management
import numpy as np
from comfy_api.latest import ComfyAPI
from comfy_execution.utils import get_executing_context
from PIL import Image

from . import cloud_account, cloud_calls, cloud_graph
from .cloud_client import Client, CloudError
from .cloud_graph import Place

LOOK_S = 0.3  # between two looks at ComfyUI's stop button
POLL_S = 1.0
GONE_S = 300.0  # for which the server may be gone before the node gives up
MAX_PICTURE_BYTES = 256 << 20
MAX_PIXELS = 150_000_000  # of a picture that a server sends
PARTS = 1000  # of the progress bar


class Done(NamedTuple):
    """What a hosted run gave.

    Attributes:
        pictures: By node, (H, W, 3) uint8 sRGB.
        texts: By node.
        cost: In credits.
        sentence: What it cost and why.
        asked: A digest of what was asked.
    """

    pictures: dict[str, list[np.ndarray]]
    texts: dict[str, list[str]]
    cost: float
    sentence: str
    asked: str = ""


# The keys of jobs whose results no node has given yet, by what was asked: the same queued again
# finds its job, and pays once.
_begun: dict[str, str] = {}


class HostedError(Exception):
    """A hosted run that did not come about, as the user is told."""


T = TypeVar("T")
Bar = Callable[[float], Awaitable[None]]
# Of several hosted nodes that run at once, ComfyUI interrupts one and cancels the others.
STOPPED = (comfy.model_management.InterruptProcessingException, asyncio.CancelledError)


async def run(
    graph: Mapping[str, dict],
    pictures: Mapping[Place, np.ndarray],
    *,
    part: str,
    label: str,
    max_cost: float,
    bar: Bar,
) -> Done:
    """Runs a workflow on the connected server.

    Args:
        graph: In API form, cleaned.
        pictures: (H, W, 3) or (H, W) uint8 for inputs that load one.
        part: Which of the local one it is.
        label: Under which the server lists it.
        max_cost: In credits; a run that is expected to cost more is not begun, and one that
            comes to is ended before.
        bar: Told how far it is, from 0 to 1; raises where the user pressed stop.

    Raises:
        HostedError: it was refused, failed, or the server is gone.
    """
    account = cloud_account.load()
    if account is None:
        raise HostedError(f"a hosted server is required, got none. {cloud_account.CONNECT}")
    try:
        async with account.client() as client:
            quote = await _agreed(client, graph, pictures, max_cost)
            await bar(0.0)
            bound = await _uploaded(client, graph, pictures)
            order = {"most": max_cost, "label": label, "gpu_class": quote["gpu_class"]}
            asked = f"{part} {json.dumps(bound, sort_keys=True)}"
            asked = hashlib.sha256(asked.encode()).hexdigest()
            return await _made(client, account, bound, asked, order, bar)
    except CloudError as error:
        raise HostedError(_sentence(error, account)) from error
    except cloud_graph.Refused as refusal:
        raise HostedError(refusal.sentence) from refusal


def given(done: Iterable[Done]) -> None:
    """Lets go of jobs whose results a node gives: the same queued again is another job."""
    for one in done:
        _begun.pop(one.asked, None)


async def progress(share: float) -> None:
    """Moves the node's bar; raises ComfyUI's interruption if the user pressed stop."""
    comfy.model_management.throw_exception_if_processing_interrupted()
    if get_executing_context() is not None:  # outside a run there is no bar to move
        await ComfyAPI().execution.set_progress(round(share * PARTS), PARTS)


async def _agreed(
    client: Client, graph: Mapping[str, dict], pictures: Mapping[Place, Any], max_cost: float
) -> dict[str, Any]:
    """Returns a quote that is not too high; nothing is held for it."""
    later = dict.fromkeys(pictures, cloud_graph.LATER)
    quote = await cloud_calls.quote(client, cloud_graph.bound(graph, later))
    lacks = [one for names in quote["missing"].values() for one in names]
    if lacks:
        raise HostedError(
            f"the hosted server must have all that the workflow needs, got none of "
            f"{', '.join(lacks)[:300]}. Take others, or run it here."
        )
    if quote["cost"] > max_cost:
        raise HostedError(
            f"max_cost must be at least the {quote['cost']:g} credits that are expected for this "
            f"run, got {max_cost:g}. Nothing was reserved. Raise max_cost, or make the pictures "
            "smaller."
        )
    return quote


async def _uploaded(
    client: Client, graph: Mapping[str, dict], pictures: Mapping[Place, np.ndarray]
) -> dict[str, dict]:
    assets = {}
    for place, picture in pictures.items():
        data = await asyncio.to_thread(_png, picture)
        assets[place] = await client.upload(data, "input.png")
    return await cloud_calls.upload(client, cloud_graph.bound(graph, assets))


async def _made(
    client: Client,
    account: cloud_account.Account,
    bound: Mapping[str, dict],
    asked: str,
    order: Mapping[str, Any],
    bar: Bar,
) -> Done:
    """Sees a job through, from when it may exist; it is begun anew only after a bad end."""
    id_, job = "", None
    try:
        id_ = await _submitted(client, bound, asked, order, bar)
        job = await _followed(client, id_, bar)
        return (await _fetched(client, job, bar))._replace(asked=asked)
    except CloudError as error:
        if not (error.passes or (id_ and error.status in (401, 403))):
            _begun.pop(asked, None)
            raise
        name = f"job {id_}" if id_ else f"a job named {order['label']!r}"
        raise HostedError(
            f"{_sentence(error, account)} On the server {name} may go on, and cost something. "
            "Queue the workflow again to fetch what it makes."
        ) from error
    except HostedError:  # it ended badly
        _begun.pop(asked, None)
        raise
    except STOPPED:
        if job is None:  # it was canceled; one that has ended is paid for
            _begun.pop(asked, None)
        raise


async def _submitted(
    client: Client, graph: Mapping[str, dict], asked: str, order: Mapping[str, Any], bar: Bar
) -> str:
    """Returns the id of a new job, or of the one that the same was begun with before."""
    if asked in _begun:
        once = _begun[asked]
        if id_ := await _patient(lambda: cloud_calls.sent(client, once), bar):
            return id_
    once = _begun[asked] = uuid.uuid4().hex

    async def send() -> str:
        return str((await cloud_calls.submit(client, graph, once=once, **order)).get("id"))

    try:
        return await _patient(send, bar)
    except STOPPED:
        # It may have come: the same call again is the same job.
        with contextlib.suppress(CloudError):
            await cloud_calls.cancel(client, await send())
        raise


async def _patient(call: Callable[[], Awaitable[T]], bar: Bar) -> T:
    """Repeats a call that may be repeated while the server is gone, but not for ever."""
    until = time.monotonic() + GONE_S
    while True:
        try:
            return await call()
        except CloudError as error:
            if not error.passes or time.monotonic() > until:
                raise
        await _pause(bar, 0.0)


async def _pause(bar: Bar, share: float) -> None:
    """Waits a moment, in which the user may stop."""
    until = time.monotonic() + POLL_S
    while time.monotonic() < until:
        await bar(share)
        await asyncio.sleep(LOOK_S)


async def _followed(client: Client, id_: str, bar: Bar) -> dict[str, Any]:
    """Returns the job at its end; asks it to end where the user stops."""
    try:
        while True:
            job = await _patient(lambda: client.call("GET", f"/api/v2/jobs/{id_}"), bar)
            if job.get("status") in cloud_calls.ENDED:
                return job
            share = (job.get("progress") or {}).get("value")
            await _pause(bar, share if isinstance(share, int | float) else 0.0)
    except STOPPED:
        with contextlib.suppress(CloudError):
            await cloud_calls.cancel(client, id_)
        raise


async def _fetched(client: Client, job: Mapping[str, Any], bar: Bar) -> Done:
    cost = cloud_calls.cost_of(job)
    if job.get("status") != "succeeded":
        error = job.get("error") or {}
        said = error.get("message") or error.get("code") or job.get("status")
        paid = cost["cost"] or 0.0
        if error.get("code") == "max_cost":
            raise HostedError(
                f"the run must cost at most max_cost, got one that needs more. It was stopped and "
                f"cost {paid:g} credits. Raise max_cost."
            )
        raise HostedError(f"the hosted run must succeed, got: {said} It cost {paid:g} credits.")
    found: dict[str, list[np.ndarray]] = {}
    for one in job.get("outputs") or ():
        if one.get("type") == "image":
            data = await _patient(lambda one=one: _content(client, one), bar)
            picture = await asyncio.to_thread(_picture, data)
            found.setdefault(str(one.get("node_id")), []).append(picture)
    seconds, gpu = cost["gpu_s"], job.get("gpu_class", "")
    sentence = f"Hosted run: {cost['cost'] or 0:g} credits for {seconds:.1f} s on {gpu}."
    texts = await _patient(lambda: cloud_calls.texts(client, job), bar)
    return Done(found, texts, cost["cost"] or 0.0, sentence)


async def _content(client: Client, output: Mapping[str, Any]) -> bytes:
    chunks = client.content(str(output.get("id")), MAX_PICTURE_BYTES)
    return b"".join([chunk async for chunk in chunks])


def _sentence(error: CloudError, account: cloud_account.Account) -> str:
    if error.status == 402:
        return f"{error.sentence} Buy credits at {account.top_up}."
    if error.status in (401, 403):
        return f"{error.sentence} {cloud_account.CONNECT}"
    return error.sentence


def _png(picture: np.ndarray) -> bytes:
    with files.BytesIO() as file:
        Image.fromarray(picture).save(file, "PNG", compress_level=4)
        return file.getvalue()


def _picture(data: bytes) -> np.ndarray:
    """Reads a stranger's picture; what is transparent is laid on white.

    Raises:
        HostedError: it is none, or unpacks to too much.
    """
    try:
        with Image.open(files.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise HostedError(f"a picture must have at most {MAX_PIXELS} pixels, got more.")
            clear = opened.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise HostedError("an output must be a whole picture, got something else.") from error
    white = Image.new("RGBA", clear.size, "white")
    return np.array(Image.alpha_composite(white, clear).convert("RGB"))
