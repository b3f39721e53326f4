"""What a running node tells the user: progress, pictures, sentences, and whether to stop."""

import sys
from collections.abc import Sequence

import comfy.model_management
import torch
from comfy_api.latest import ComfyAPISync, io, ui
from comfy_execution.utils import get_executing_context

# Long side of what a node shows. Screens have no more, and PNGs of whole photos, two for each of a
# folder of 500 at 12 megapixels, would fill the disk with some 20 GB.
PREVIEW_PX = 1536


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
    """Returns what the node shows: the picture, scaled down to a screen, and the sentences."""
    shown = ui.PreviewImage(scaled_down(image), cls=node).as_dict()
    return {**shown, **sentences(node, texts)}


def refused(node: type[io.ComfyNode], sentence: str, shown: dict | None = None) -> io.NodeOutput:
    """Ends the branch with a sentence, for what the user can mend and is no error of the pack.

    An exception would do the same and leave a traceback in the server's log. The sentence stands
    under the node, in the history, and in the editor's error dialog as soon as another node waits
    for one of the outputs.

    Args:
        node: Whose outputs nobody gets.
        sentence: What is required, what arrived, what to do.
        shown: Anything else that the node shows.
    """
    said = {**(shown or {}), **sentences(node, [sentence])}
    # ComfyUI looks at block_execution only where there is a result.
    return io.NodeOutput(None, ui=said, block_execution=sentence)


def scaled_down(image: torch.Tensor, longest_px: int = PREVIEW_PX) -> torch.Tensor:
    """Returns an IMAGE whose longer side is at most `longest_px`."""
    height, width = image.shape[1:3]
    factor = longest_px / max(height, width)
    if factor >= 1:
        return image
    size = (max(1, round(height * factor)), max(1, round(width * factor)))
    small = torch.nn.functional.interpolate(image.movedim(-1, 1), size=size, mode="area")
    return small.movedim(1, -1)
