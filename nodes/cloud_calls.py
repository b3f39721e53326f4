"""What is asked of the hosted server for a workflow: a quote, a job, its outputs."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from . import cloud_files, cloud_graph
from .cloud_client import Client, CloudError
from .cloud_files import Kept
from .photo_files import Refused

MICRO = 1_000_000  # micro-credits of a credit
STEP_MS = 30_000  # of GPU time by which a server sets more aside, long before it is used
MAX_UPLOAD_BYTES = 512 << 20  # of one file
MAX_TEXTS, MAX_TEXT_BYTES = 100, 65_536  # words that nodes show
MAX_PREVIEW_CHARS = 400_000  # in base64
PREVIEWS = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG", "image/webp": b"RIFF"}
ENDED = ("succeeded", "failed", "canceled", "expired")


async def quote(client: Client, graph: Mapping[str, dict], gpu_class: str = "") -> dict[str, Any]:
    """Asks what a workflow would cost and what is missing; only its nodes leave the computer.

    Returns:
        runnable; missing nodes, models, files, local_only; gpu_class; credits: cost, held (set
        aside at once), at_most (after one more step); whether that is guessed, since no run was
        like it; seconds of GPU time; ahead and eta_s where the server tells its queue.
    """
    here = cloud_graph.local(graph)
    places = dict.fromkeys([*here.files, *here.missing], cloud_graph.LATER)
    body: dict[str, Any] = {"workflow": cloud_graph.bound(graph, places)}
    if gpu_class:
        body["gpu_class"] = gpu_class
    told = await client.call("POST", "/api/v2/quote", body)
    lacks = told.get("missing") or {}
    assets = [one for one in lacks.get("assets") or () if one != cloud_graph.LATER]
    missing = {
        "nodes": [one for one in lacks.get("nodes") or () if one not in here.refused],
        "models": list(lacks.get("models") or ()),
        "files": [*here.missing.values(), *assets],
        "local_only": list(here.refused),
    }
    waiting = told.get("queue") or {}
    held, most_ms = told.get("held_micro") or 0, told.get("max_gpu_ms") or 0
    per_ms = held / most_ms if most_ms else 0.0
    return {
        "runnable": not any(missing.values()),
        "missing": missing,
        "gpu_class": str(told.get("gpu_class", "")),
        "cost": credits(told.get("cost_micro")),
        "held": credits(held),
        "at_most": credits(round(held + per_ms * STEP_MS)),
        "guessed": told.get("alike_jobs") == 0,
        "gpu_s": (told.get("estimate_gpu_ms") or 0) / 1000,
        "ahead": waiting.get("ahead"),
        "eta_s": waiting.get("eta_s"),
        "uploads": len({one.path for one in here.files.values()}),
    }


async def upload(client: Client, graph: Mapping[str, dict]) -> dict[str, dict]:
    """Uploads the files that a workflow loads, each once, and returns it with their assets.

    Raises:
        Refused: a file is not there, or too large.
    """
    here = cloud_graph.local(graph)
    if here.missing:
        names = ", ".join(repr(one)[:60] for one in here.missing.values())
        text = f"files of ComfyUI's folders are required, got {names}. Choose them again."
        raise Refused(404, "files-missing", text)
    assets: dict[Path, str] = {}
    for file in here.files.values():
        if file.path in assets:
            continue
        size = file.path.stat().st_size
        if size > MAX_UPLOAD_BYTES:
            text = f"a file must have at most {MAX_UPLOAD_BYTES >> 20} MB, got {size >> 20}."
            raise Refused(413, "file-too-large", f"{text} Make {file.name} smaller.")
        # Its own name may say whose photo it is.
        name = f"input{file.path.suffix.lower()[:8]}"
        data = await asyncio.to_thread(file.path.read_bytes)
        assets[file.path] = await client.upload(data, name)
    return cloud_graph.bound(graph, {at: assets[one.path] for at, one in here.files.items()})


async def submit(
    client: Client,
    graph: Mapping[str, dict],
    once: str,
    *,
    most: float,
    label: str = "",
    gpu_class: str = "",
) -> dict[str, Any]:
    """Queues a workflow whose files are uploaded; the same call again is the same job.

    Args:
        client: Of the account.
        graph: In API form.
        once: Of this job and no other.
        most: Credits that the server may charge for it; it ends the job before.
        label: Under which the server lists it.
        gpu_class: On which it shall run; empty for any.
    """
    body: dict[str, Any] = {"workflow": graph, "max_micro": max(1, round(most * MICRO))}
    body["metadata"] = {"run": once} | ({"workflow": label[:200]} if label else {})
    if gpu_class:
        body["gpu_class"] = gpu_class
    return await client.call("POST", "/api/v2/jobs", body, once=once)


async def sent(client: Client, once: str) -> str | None:
    """Returns the job of a call whose answer was lost; None where it never came."""
    told = await client.call("GET", f"/api/v2/jobs?metadata%5Brun%5D={once}")
    return next((str(one["id"]) for one in told.get("jobs") or ()), None)


async def fetch(
    client: Client, job: Mapping[str, Any], have: Mapping[str, Kept]
) -> AsyncIterator[tuple[dict[str, Any], Kept]]:
    """Fetches the outputs of a job into ComfyUI's folders; yields each with its file as it comes.

    Args:
        client: Of the account.
        job: As the server tells it.
        have: What was fetched before, by the output's id.
    """
    outputs = [one for one in job.get("outputs") or () if isinstance(one, dict)]
    left = cloud_files.MAX_RUN_BYTES - sum(one.path.stat().st_size for one in have.values())
    for one in outputs[: cloud_files.MAX_FILES]:
        id_ = one.get("id")
        if not isinstance(id_, str) or id_ in have or is_text(one):
            continue
        chunks = client.content(id_, min(cloud_files.MAX_FILE_BYTES, left))
        kept = await cloud_files.keep(one.get("name"), chunks, str(one.get("hash") or ""))
        left -= kept.path.stat().st_size
        yield one, kept


async def texts(client: Client, job: Mapping[str, Any]) -> dict[str, list[str]]:
    """Returns what output nodes said in words, by node."""
    said: dict[str, list[str]] = {}
    for one in [each for each in job.get("outputs") or () if is_text(each)][:MAX_TEXTS]:
        data = b"".join([chunk async for chunk in client.content(one.get("id"), MAX_TEXT_BYTES)])
        said.setdefault(str(one.get("node_id")), []).append(data.decode(errors="replace"))
    return said


def is_text(output: Any) -> bool:
    """Tells whether an output of a job is words that a node shows, and no file."""
    return isinstance(output, dict) and output.get("type") == "text"


def preview(data: Mapping[str, Any]) -> dict[str, str] | None:
    """Returns a preview as the page may show it; None if it is no picture."""
    kind, told = data.get("content_type"), data.get("data_base64")
    if kind not in PREVIEWS or not isinstance(told, str) or len(told) > MAX_PREVIEW_CHARS:
        return None
    try:
        head = base64.b64decode(told, validate=True)
    except ValueError:
        return None
    if not head.startswith(PREVIEWS[kind]):
        return None
    return {"node": str(data.get("node_id", "")), "image": f"data:{kind};base64,{told}"}


def cost_of(job: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a job has cost and why; None before it has ended."""
    billing = job.get("billing") or {}
    charged = billing.get("charged_micro")
    return {
        "cost": None if charged is None else credits(charged),
        "held": credits(billing.get("held_micro")),
        "explanation": billing.get("explanation"),
        "gpu_s": ((job.get("metrics") or {}).get("gpu_ms") or 0) / 1000,
    }


def credits(micro: Any) -> float:
    """Returns micro-credits as credits."""
    return micro / MICRO if isinstance(micro, int) else 0.0


async def cancel(client: Client, job: str) -> None:
    """Asks a job to end; one that has ended stays as it is."""
    await client.call("POST", f"/api/v2/jobs/{job}/cancel", {})


async def check(client: Client) -> dict[str, Any]:
    """Returns the balance, after checking that the key may do all that is needed.

    Raises:
        CloudError: it may not, or the server is none.
    """
    told = await balance(client)
    try:
        # Bytes that nobody has: whoever may run is told that they are not there.
        unknown = {"hash": "blake3:" + "0" * 64, "file_path": "check"}
        await client.call("POST", "/api/v2/assets/from-hash", unknown)
    except CloudError as error:
        if error.status != 404:
            raise
    return told


async def balance(client: Client) -> dict[str, Any]:
    """Returns what the account has, in credits."""
    told = await client.call("GET", "/api/v1/balance")
    if not isinstance(told.get("available_micro"), int):
        text = "a Dressform server is required, got another. Is the address right?"
        raise CloudError("no-server", text, 502)
    return {
        "available": credits(told["available_micro"]),
        "held": credits(told.get("held_micro")),
    }
