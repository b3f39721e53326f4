"""What a running node tells the user: progress, pictures, sentences, and whether to stop."""

import sys
from collections.abc import Sequence

import comfy.model_management
import torch
from comfy_api.latest import ComfyAPISync, io, ui
from comfy_execution.utils import get_executing_context


def progress(done: int, total: int) -> None:
    """Moves the node's progress bar; raises ComfyUI's interruption if the user pressed stop."""
    comfy.model_management.throw_exception_if_processing_interrupted()
    if get_executing_context() is not None:  # outside a run there is no bar to move
        ComfyAPISync().execution.set_progress(done, total)


def sentences(node: type[io.ComfyNode], texts: Sequence[str]) -> dict:
    """Shows sentences under the node at once; a script finds what is returned in the history."""
    once = list(dict.fromkeys(texts))
    module = sys.modules.get("server")  # importing it would start half of ComfyUI
    if module is not None and node.hidden is not None and node.hidden.unique_id and once:
        module.PromptServer.instance.send_progress_text("\n".join(once), node.hidden.unique_id)
    return {"text": once} if once else {}


def preview(node: type[io.ComfyNode], image: torch.Tensor, texts: Sequence[str] = ()) -> dict:
    """Returns what the node shows: the picture, and the sentences for the user."""
    shown = ui.PreviewImage(image, cls=node).as_dict()
    return {**shown, **sentences(node, texts)}
