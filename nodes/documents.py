"""Stroke documents in STRING sockets: one, or one for each picture of a batch."""

import json
from collections.abc import Sequence

MAX_BATCH = 256  # stroke documents in one text; ComfyUI's own batches end far earlier


def join(documents: Sequence[str]) -> str:
    """Returns one document as it is, several as a JSON list of them."""
    return documents[0] if len(documents) == 1 else f"[{','.join(documents)}]"


def split(text: str, name: str) -> list[str]:
    """Returns the documents that `join` wrote; each is checked on its own later.

    Raises:
        ValueError: the text, called `name` by the user, is a list that cannot be read.
    """
    from ..imaging import strokes

    if not text.lstrip().startswith("["):
        return [text]
    try:
        documents = json.loads(text) if len(text) <= MAX_BATCH * strokes.MAX_BYTES else []
    except (ValueError, RecursionError):
        documents = []
    if not documents:
        raise ValueError(
            f"{name} must be a stroke document or a list of them as JSON, got a list that cannot "
            "be read. Connect the node that made the strokes, or correct the text."
        )
    return [json.dumps(document) for document in documents]
