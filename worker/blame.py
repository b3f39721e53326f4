"""Whose fault it is that a run failed: the workflow's, which is final, or this machine's."""

import errno
import logging
from typing import Any

from .protocol import WorkerError, WorkflowError
from .wire import AwayError, RefusedError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
FULL_WORDS = ("no space left on device", "disk quota exceeded", "[errno 28]", "[errno 122]")
MEMORY_WORDS = ("out of memory", "outofmemory", "memoryerror")

# What the server says of outputs that it will not take from any worker: one is too large, the
# account's storage is full, a name is too long.
TOO_LARGE, UNFIT = 413, {(422, "invalid"), (422, "storage_full")}

logger = logging.getLogger("dressform")


def failure(error: Exception) -> WorkflowError | WorkerError:
    """Returns whose fault an error is; what nobody thought of is the worker's."""
    if isinstance(error, WorkflowError | WorkerError):
        return error
    if isinstance(error, OSError) and error.errno in FULL:
        return WorkerError("disk_full", "the disk of the worker is full.")
    if isinstance(error, AwayError):
        return WorkerError("store_away", str(error))
    if isinstance(error, RefusedError):
        if error.status == TOO_LARGE or (error.status, error.code) in UNFIT:
            return WorkflowError(error.code or "too_large", str(error))
        return WorkerError("protocol", str(error))
    logger.error("a run failed for a reason of the worker's own", exc_info=error)
    return WorkerError("internal", f"{type(error).__name__} in the worker. Report it.")


def require_success(history: dict[str, Any], *, is_ending: bool) -> None:
    """Raises what a history entry tells, unless the run succeeded or was asked to end."""
    status = history.get("status") or {}
    messages = {kind: data for kind, data in status.get("messages", ())}
    error = messages.get("execution_error")
    if error:
        raise _told_by_comfyui(error)
    if is_ending:
        return
    if "execution_interrupted" in messages or status.get("status_str") != "success":
        raise WorkerError("interrupted", "ComfyUI ended the run without a reason.")


def _told_by_comfyui(error: dict[str, Any]) -> WorkflowError | WorkerError:
    message = str(error.get("exception_message", "")).strip()
    kind = str(error.get("exception_type", ""))
    node = str(error.get("node_id", "")) or None
    if any(words in message.lower() for words in FULL_WORDS):
        return WorkerError("disk_full", "the disk of the worker is full.")
    if any(words in f"{kind} {message}".lower() for words in MEMORY_WORDS):
        return WorkflowError("out_of_memory", message or kind, node)
    return WorkflowError("execution", message or kind or "a node failed.", node)
