"""Texts that a run put out: what its output nodes show in words."""

from collections.abc import Collection, Mapping
from typing import Any

KIND = "text"
MAX_BYTES = 64 << 10  # of one text, in UTF-8
MAX_TEXTS = 100


def gather(history: Mapping[str, Any], nodes: Collection[str]) -> list[dict[str, str]]:
    """Lists the texts of a history entry, as the server takes them; long ones are cut.

    Args:
        history: What ComfyUI keeps of the run.
        nodes: Ids of its output nodes.
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    for node, ui in (history.get("outputs") or {}).items():
        told = ui.get("text") if isinstance(ui, dict) and str(node) in nodes else None
        for text in told if isinstance(told, list | tuple) else (told,):
            if isinstance(text, str) and text.strip():
                kept = text.replace("\0", "").encode("utf-8", "replace")[:MAX_BYTES]
                text = kept.decode("utf-8", "ignore")
                found[str(node), text] = {"node": str(node), "type": KIND, "text": text}
    rows = list(found.values())[:MAX_TEXTS]
    # Clients save outputs by name: each has its own.
    return [row | {"name": f"text_{n:02}_.txt"} for n, row in enumerate(rows, 1)]
