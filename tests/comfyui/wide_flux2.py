"""The tiny FLUX.2-klein with a text encoder of 400 MB, which shows in a process's memory.

For tiny_weights.py, as the modules of tests/inference are.
"""

from pathlib import Path

import tiny_flux2
import tiny_lora
import tiny_text

WIDTH = 1024
WORDS = 50_000  # the tokenizer knows fewer; the rest of the table is never read
LORA = "shiny.safetensors"


def write(folder: Path) -> dict[str, Path]:
    """Writes as `tiny_flux2.write` does, and a LoRA for it into the folder loras beside."""
    from diffusers import Flux2Transformer2DModel

    tiny_flux2.TEXT_WIDTH = WIDTH
    tiny_text.QWEN_WORDS = WORDS
    written = tiny_flux2.write(folder)
    (folder.parent / "loras").mkdir()
    network = Flux2Transformer2DModel.from_pretrained(
        written["flux2-klein-4b"], subfolder="transformer"
    )
    layers = ("to_q", "to_k")
    path = folder.parent / "loras" / LORA
    tiny_lora.write(path, network, component="transformer", layers=layers)
    return written
