"""One workflow, from the file to its outputs in a folder."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from . import graph, workflow
from .client import Client, Execution
from .progress import Progress

RECORD = "run.json"
_SPECIAL = frozenset('/\\:*?"<>|')  # Windows refuses these, and a node's id may have colons


class Run(NamedTuple):
    """A finished run, as it stands in run.json.

    Attributes:
        prompt_id: The server's name for it.
        seconds: Of the whole run, without the start of the server.
        node_seconds: Seconds by node id; cached nodes are missing.
        titles: Node titles by id.
        outputs: By output node id: `files` (paths relative to the folder) and `values`.
        server: Address, ComfyUI version, torch version and devices.
    """

    prompt_id: str
    seconds: float
    node_seconds: dict[str, float]
    titles: dict[str, str]
    outputs: dict[str, dict[str, Any]]
    server: dict[str, Any]


def run(
    path: Path,
    url: str,
    out: Path,
    *,
    settings: Sequence[str] = (),
    check: Callable[[Path], None] = lambda picture: None,
    stream: TextIO | None = None,
) -> Run:
    """Runs a workflow file on the server at `url` and downloads every output into `out`.

    Args:
        path: The workflow, in API or UI format.
        url: A running ComfyUI.
        out: Takes the outputs and run.json; files of the same name are replaced.
        settings: Each NODE.INPUT=VALUE; pictures that they name are uploaded.
        check: Called with each picture before the first upload; raises where it is damaged.
        stream: Takes the progress; None is standard error.

    Raises:
        ValueError: the workflow, a setting or the server's validation is wrong.
        RuntimeError: a node failed, an output is missing, or the server went away.
    """
    return asyncio.run(_run(path, url, out, settings, check, stream))


async def _run(
    path: Path,
    url: str,
    out: Path,
    settings: Sequence[str],
    check: Callable[[Path], None],
    stream: TextIO | None,
) -> Run:
    document = workflow.load(path)
    async with Client(url) as client:
        schemas = await client.object_info()
        prepared = workflow.prepare(document, schemas)
        prompt = await _set(prepared.prompt, settings, schemas, client, check)
        _require_outputs(prompt, schemas, path)
        started = time.monotonic()
        with Progress(prompt, stream) as progress:
            execution = await client.execute(prompt, progress, prepared.document)
        seconds = time.monotonic() - started
        outputs = await _collect(execution, prompt, schemas, client, out)
        record = Run(
            prompt_id=execution.prompt_id,
            seconds=round(seconds, 3),
            node_seconds={node: round(s, 3) for node, s in progress.seconds.items()},
            titles={node: _title(prompt, node) for node in prompt},
            outputs=outputs,
            server={"url": client.url, **_versions(await client.system_stats())},
        )
    write_json(out / RECORD, record._asdict())
    return record


async def _set(
    prompt: workflow.Prompt,
    texts: Sequence[str],
    schemas: graph.Schemas,
    client: Client,
    check: Callable[[Path], None],
) -> workflow.Prompt:
    # All are resolved and checked before the first upload: a mistake costs nothing.
    changed = prompt
    settings = []
    for text in texts:
        setting = workflow.resolve(text, changed, schemas)
        changed = workflow.apply(changed, [setting])
        settings.append(setting)
        if setting.upload and setting.is_picture:
            check(setting.upload)
    uploaded = [
        setting._replace(value=await client.upload(setting.upload))
        for setting in settings
        if setting.upload
    ]
    return workflow.apply(changed, uploaded)


def _require_outputs(prompt: workflow.Prompt, schemas: graph.Schemas, path: Path) -> None:
    if not workflow.output_nodes(prompt, schemas):
        raise ValueError(
            f"{path} must have a node that saves or shows something, got none. "
            "Add for example Save Image."
        )


async def _collect(
    execution: Execution,
    prompt: workflow.Prompt,
    schemas: graph.Schemas,
    client: Client,
    out: Path,
) -> dict[str, dict[str, Any]]:
    """Downloads everything that the nodes put out; raises where one of them gave nothing."""
    shown = execution.history.get("outputs") or {}
    for node in workflow.output_nodes(prompt, schemas):
        ui = shown.get(node) or {}
        if not _files(ui) and not _values(ui) and not _is_spared(node, prompt, shown):
            raise RuntimeError(
                f"{_title(prompt, node)} (node {node}) must produce an output, got none. "
                f"{_reason(node, prompt, shown)}"
            )
    collected: dict[str, dict[str, Any]] = {}
    taken: set[Path] = set()
    for node, ui in shown.items():
        names = []
        for file in _files(ui):
            target = _target(file, node, taken)
            taken.add(target)
            await client.download(file, out / target)
            names.append(target.as_posix())
        collected[node] = {"title": _title(prompt, node), "files": names, "values": _values(ui)}
    return collected


def _is_spared(node: str, prompt: workflow.Prompt, shown: dict[str, Any]) -> bool:
    """Tells whether a node before one has left it out on purpose.

    A node that chooses between ways lists under `spared` the outputs behind which nothing runs.
    """
    waiting, seen = [node], {node}
    while waiting:
        for value in (prompt.get(waiting.pop()) or {}).get("inputs", {}).values():
            if isinstance(value, list) and len(value) == 2 and str(value[0]) in prompt:
                before = str(value[0])
                if value[1] in (shown.get(before) or {}).get("spared", ()):
                    return True
                if before not in seen:
                    seen.add(before)
                    waiting.append(before)
    return False


def _reason(node: str, prompt: workflow.Prompt, shown: dict[str, Any]) -> str:
    """Returns what the nodes before one say of why they gave it nothing.

    A node that ends its branch in good order tells why under itself; the run counts as a success.
    """
    said, waiting, seen = [], [node], {node}
    while waiting:
        for value in (prompt.get(waiting.pop()) or {}).get("inputs", {}).values():
            before = str(value[0]) if isinstance(value, list) and value else ""
            if before in prompt and before not in seen:
                seen.add(before)
                waiting.append(before)
                texts = _values(shown.get(before) or {}).get("text") or ()
                said += [f"{_title(prompt, before)} (node {before}): {text}" for text in texts]
    return " ".join(said) or "Look at what is connected to it, and read the server's log."


def _files(ui: dict[str, Any]) -> list[dict[str, str]]:
    """Returns each file of a node's output, whatever kind it is listed under."""
    found = [
        {key: str(entry.get(key) or "") for key in ("filename", "subfolder", "type")}
        for entries in ui.values()
        if isinstance(entries, list)
        for entry in entries
        if isinstance(entry, dict) and entry.get("filename")
    ]
    return [file for index, file in enumerate(found) if file not in found[:index]]


def _values(ui: dict[str, Any]) -> dict[str, Any]:
    """Returns what a node put out that is no file: texts and numbers."""
    return {
        kind: entries
        for kind, entries in ui.items()
        # Of the pictures whether they move, of the outputs which lead nowhere this time.
        if kind not in ("animated", "spared")
        and not (
            isinstance(entries, list)
            and any(isinstance(e, dict) and "filename" in e for e in entries)
        )
    }


def _target(file: dict[str, str], node: str, taken: set[Path]) -> Path:
    """Returns where a file goes below the output folder, never outside of it."""
    kind = "" if file["type"] == "output" else file["type"]
    parts = [kind, *file["subfolder"].replace("\\", "/").split("/"), file["filename"]]
    target = Path(*(_plain(part) for part in parts if part not in ("", ".", "..")))
    if not target.name:
        raise RuntimeError(
            f"every output of node {node} must have a name, got {file['filename']!r}. "
            "Name the file in the node that saves it."
        )
    while target in taken or target == Path(RECORD):
        target = target.with_name(f"{_plain(node)}-{target.name}")
    return target


def _plain(name: str) -> str:
    """Returns a name that means one entry of a folder on every system."""
    return "".join(
        "_" if letter in _SPECIAL or ord(letter) < ord(" ") else letter for letter in name
    )


def _title(prompt: workflow.Prompt, node: str) -> str:
    entry = prompt.get(node) or {}
    return (entry.get("_meta") or {}).get("title") or entry.get("class_type") or node


def _versions(stats: dict[str, Any]) -> dict[str, Any]:
    system = stats.get("system") or {}
    return {
        "comfyui": system.get("comfyui_version"),
        "torch": system.get("pytorch_version"),
        "devices": [device.get("name") for device in stats.get("devices") or ()],
    }


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Writes a JSON file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
