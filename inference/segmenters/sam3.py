"""SAM 3 through transformers: asked for garment, mannequin and stand in words.

Carion et al., SAM 3: Segment Anything with Concepts, 2025.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from . import shares

PROMPTS = {
    "garment": ("garment", "clothing"),
    "mannequin": ("mannequin",),
    "support": ("stand", "clothes hanger"),
}
"""What is asked for each concept; of several answers the likelier counts."""
# Instances below this score do not count; transformers' own default for SAM 3.
LEAST_SCORE = 0.3


def load(folder: Path, device: str) -> Callable[[np.ndarray], np.ndarray]:
    """Loads SAM 3 from a folder as `save_pretrained` writes it; nothing is fetched, no code run.

    Args:
        folder: With config.json, model.safetensors and the processor's files.
        device: A torch device.

    Raises:
        RuntimeError: transformers is missing or too old, or the folder is incomplete.
    """
    try:
        import torch
        from transformers import Sam3Model, Sam3Processor
    except ImportError as error:
        raise RuntimeError(
            "engine sam3 needs transformers 5 with SAM 3, which is not installed or too old. "
            "Run: pip install --upgrade transformers"
        ) from error
    try:
        processor = Sam3Processor.from_pretrained(folder, local_files_only=True)
        model = Sam3Model.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RuntimeError(
            f"{folder} must hold all files of facebook/sam3, got: {str(error).splitlines()[0]} "
            "Fetch the whole folder again."
        ) from error
    model = model.to(device).eval()

    def segment(image: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            pixels = processor(images=image, return_tensors="pt").to(device)
            seen = model.get_vision_features(pixel_values=pixels["pixel_values"])
            likely = {
                concept: np.max(
                    [_asked(model, processor, seen, p, image, device) for p in asked], 0
                )
                for concept, asked in PROMPTS.items()
            }
        return shares.from_concepts(**likely)

    return segment


def _asked(model, processor, seen, prompt: str, image: np.ndarray, device: str) -> np.ndarray:
    """Returns (h, w) float32: how likely every pixel belongs to an instance of the prompt."""
    words = processor(text=prompt, return_tensors="pt").to(device)
    found = model(
        vision_embeds=seen,
        input_ids=words["input_ids"],
        attention_mask=words["attention_mask"],
    )
    scores = found.pred_logits[0].sigmoid()
    if found.presence_logits is not None:
        scores = scores * found.presence_logits[0].sigmoid()
    kept = scores >= LEAST_SCORE
    size = image.shape[1], image.shape[0]
    if not kept.any():
        return np.zeros(image.shape[:2], np.float32)
    masks = found.pred_masks[0][kept].float().sigmoid() * scores[kept].float()[:, None, None]
    return cv2.resize(masks.amax(0).cpu().numpy(), size)
