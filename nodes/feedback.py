"""What a running node tells the user: progress, a line of text, and whether to stop."""

import sys
from collections.abc import Sequence

import comfy.model_management
from comfy_api.latest import ComfyAPISync, io
from comfy_execution.utils import get_executing_context


def progress(done: int, total: int) -> None:
    """Moves the node's progress bar; raises ComfyUI's interruption if the user pressed stop."""
    comfy.model_management.throw_exception_if_processing_interrupted()
    if get_executing_context() is not None:  # outside a run there is no bar to move
        ComfyAPISync().execution.set_progress(done, total)


def say(node: type[io.ComfyNode], sentences: Sequence[str]) -> None:
    """Shows the sentences under the node; nothing happens outside a running server."""
    module = sys.modules.get("server")  # importing it would start half of ComfyUI
    if module is not None and node.hidden is not None and node.hidden.unique_id and sentences:
        text = "\n".join(dict.fromkeys(sentences))
        module.PromptServer.instance.send_progress_text(text, node.hidden.unique_id)
