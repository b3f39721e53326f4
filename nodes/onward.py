"""One run after another: queues the workflow again, and tells how earlier runs ended.

ComfyUI keeps the outputs of every node until the next run, so a folder in one run would hold all
its photos in memory and lose them all to one error. One photo for each run has neither fault
(docs/adr/2026-11-23-one-photo-for-each-run.md).
"""

import sys
import time
import uuid
from typing import Any, NamedTuple

from ..imaging.products import work

# In a queued item's extra data: which press of the button it comes from, and when that was.
CHAIN = "dressform_chain"
_NUMBER, _ID, _PROMPT, _EXTRA = 0, 1, 2, 3  # places in ComfyUI's queue items


class Running(NamedTuple):
    """The queue's item that is being executed now.

    Attributes:
        run: As the batch knows it.
        item: ComfyUI's own; None outside of a server.
    """

    run: work.Run
    item: tuple | None


def running(saves: int) -> Running:
    """Returns what is being executed now; outside of a server each call is a run of its own.

    Args:
        saves: How many nodes are to save each photo.
    """
    server = _server()
    items = server.prompt_queue.get_current_queue_volatile()[0] if server else []
    if not items:
        return Running(work.Run(uuid.uuid4().hex, uuid.uuid4().hex, time.time(), saves), None)
    item = items[0]
    chain = item[_EXTRA].get(CHAIN) or {"id": item[_ID], "began_at": time.time()}
    return Running(work.Run(item[_ID], chain["id"], chain["began_at"], saves), item)


def again(now: Running, node_type: str, inputs: dict[str, Any]) -> bool:
    """Queues the workflow that is being executed once more, behind what waits already.

    Args:
        now: From `running`.
        node_type: Class type of the node that asks.
        inputs: Its inputs; where a waiting run has such a node with the same, that run goes on.

    Returns:
        Whether a run waits that will go on.
    """
    server = _server()
    if server is None or now.item is None:
        return False
    for waiting in server.prompt_queue.get_current_queue_volatile()[1]:
        for node in waiting[_PROMPT].values():
            if node.get("class_type") == node_type and node.get("inputs") == inputs:
                return True
    chain = {"id": now.run.chain, "began_at": now.run.began_at}
    return queue(now, now.item[_PROMPT], {CHAIN: chain})


def queue(now: Running, prompt: dict[str, Any], extra: dict[str, Any]) -> bool:
    """Queues a form of the workflow that is being executed, behind what waits already.

    Args:
        now: From `running`.
        prompt: Nodes by id, with the same outputs.
        extra: What its run is told in `told`.

    Returns:
        Whether there is a queue.
    """
    server = _server()
    if server is None or now.item is None:
        return False
    item = list(now.item)
    item[_NUMBER] = server.number  # behind the runs of others
    item[_ID], item[_PROMPT] = str(uuid.uuid4()), prompt
    item[_EXTRA] = {**item[_EXTRA], **extra, "create_time": int(time.time() * 1000)}
    server.number += 1
    server.prompt_queue.put(tuple(item))
    return True


def told(now: Running) -> dict[str, Any]:
    """Returns what the run that is being executed was told when it was queued."""
    return {} if now.item is None else now.item[_EXTRA]


def ended(run: str) -> work.Ending | None:
    """Returns how the run of an id ended; None where this server does not know it."""
    server = _server()
    entry = server.prompt_queue.get_history(run).get(run) if server else None
    if entry is None:
        return None
    status = entry.get("status") or {}
    messages = {kind: data for kind, data in status.get("messages", ())}
    if "execution_interrupted" in messages:
        return work.Ending(work.INTERRUPTED)
    if status.get("completed"):
        return work.Ending(work.SUCCESS)
    error = messages.get("execution_error") or {}
    text = str(error.get("exception_message") or "").strip()
    return work.Ending(work.ERROR, text or "The run failed. Read ComfyUI's log.")


def _server() -> Any:
    module = sys.modules.get("server")  # importing it would start half of ComfyUI
    return getattr(getattr(module, "PromptServer", None), "instance", None)
