"""Texts that a run put out: what its output nodes show in words."""

import itertools
import json
from collections.abc import Collection, Mapping
from typing import Any

KIND = "text"
MAX_BYTES = 64 << 10  # of one text, in UTF-8
MAX_TEXTS = 100
MAX_TOTAL_BYTES = 4 << 20  # of all, as JSON writes them; the server takes 8 MiB with all else


def gather(
    history: Mapping[str, Any], nodes: Collection[str], most: int = MAX_TEXTS
) -> list[dict[str, str]]:
    """Lists the texts of a history entry, as the server takes them.

    Long ones are cut, and the last left out where there are too many.

    Args:
        history: What ComfyUI keeps of the run.
        nodes: Ids of its output nodes.
        most: How many the files leave room for.
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    for node, ui in (history.get("outputs") or {}).items():
        told = ui.get("text") if isinstance(ui, dict) and str(node) in nodes else None
        for text in told if isinstance(told, list | tuple) else (told,):
            if isinstance(text, str) and text.strip():
                kept = text.replace("\0", "").encode("utf-8", "replace")[:MAX_BYTES]
                text = kept.decode("utf-8", "ignore")
                found[str(node), text] = {"node": str(node), "type": KIND, "text": text}
    rows = list(found.values())[: min(most, MAX_TEXTS)]
    sizes = itertools.accumulate(len(json.dumps(row)) for row in rows)
    rows = rows[: sum(size <= MAX_TOTAL_BYTES for size in sizes)]
    # Clients save outputs by name: each has its own.
    return [row | {"name": f"text_{n:02}_.txt"} for n, row in enumerate(rows, 1)]
