"""Stroke documents in STRING sockets: one, or one for each picture of a batch."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..imaging.strokes import StrokeDocument

MAX_BATCH = 256  # stroke documents in one text; ComfyUI's own batches end far earlier
MAX_BATCH_BYTES = 16_000_000  # of them all; as many typical documents have 10 MB


def join(documents: Sequence[str]) -> str:
    """Returns one document as it is, several as a JSON list of them."""
    return documents[0] if len(documents) == 1 else f"[{','.join(documents)}]"


def split(text: str, name: str) -> list[str]:
    """Returns the documents that `join` wrote; each is checked on its own later.

    Raises:
        ValueError: the text, called `name` by the user, is a list that cannot be read.
    """
    if not text.lstrip().startswith("["):
        return [text]
    texts: list[str] = []
    if len(text) <= MAX_BATCH_BYTES:
        try:
            texts = [json.dumps(document) for document in json.loads(text)]
        except (ValueError, RecursionError):
            texts = []
    if not 1 <= len(texts) <= MAX_BATCH:
        raise ValueError(
            f"{name} must be a stroke document or a list of 1 to {MAX_BATCH} of them as JSON, got "
            "a list that cannot be read. Connect the node that made the strokes, or correct the "
            "text."
        )
    return texts


def read(text: str, name: str) -> "list[StrokeDocument]":
    """Reads what `join` wrote.

    Raises:
        ValueError: a document breaks a rule; the sentence, in English and Chinese, names `name`
            where it is a list, and is meant for the user.
    """
    from ..imaging import strokes

    try:
        texts = split(text, name) if isinstance(text, str) else [text]
        if len(texts) == 1:
            return [strokes.from_json(texts[0])]
        return [_read(one, f"{name}, document {index}") for index, one in enumerate(texts)]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{error} {_chinese(text)}") from error


def refusal(text: str | None, name: str) -> str | None:
    """Returns the sentence that refuses a text in `validate_inputs`; None where it is good.

    Args:
        text: None stands for a link, whose text arrives when the node runs.
        name: What the user calls it.
    """
    if text is None:
        return None
    try:
        read(text, name)
    except ValueError as error:
        return str(error)
    return None


def _read(text: str, name: str) -> "StrokeDocument":
    from ..imaging import strokes

    try:
        return strokes.from_json(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _chinese(text: str) -> str:
    from ..imaging import strokes

    if isinstance(text, str) and strokes.size_bytes(text) > strokes.MAX_BYTES:
        return f"笔画文档最多 {strokes.MAX_BYTES} 字节,请减少笔画,或清空后重画。"
    return "笔画文档无效,请重新绘制,或清空后重画。"
