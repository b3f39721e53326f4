"""What texts in a workflow may say: no paths but to models that are there, no addresses. Pure."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from .values import RunError, invalid

# Inputs that are words for a model, or shown to people: they may say anything.
WORDS = {"text", "prompt", "positive", "negative", "text_g", "text_l", "clip_l", "clip_g", "t5xxl"}
WORDS |= {"string", "caption", "instruction", "system_prompt", "positive_prompt", "negative_prompt"}
# Inputs that are files of the customer's: an asset or nothing. A link cannot be checked here.
FILES = {
    ("LoadImage", "image"),
    ("LoadImageMask", "image"),
    ("LoadLatent", "latent"),
    ("LoadAudio", "audio"),
    ("LoadVideo", "file"),
    ("Load3D", "model_file"),
    ("Load3DAdvanced", "model_file"),
    ("Load3DAnimation", "model_file"),
}
FOLDERS = {  # of the models that an input names
    "ckpt_name": "checkpoints",
    "lora_name": "loras",
    "vae_name": "vae",
    "unet_name": "diffusion_models",
    "clip_name": "",  # text_encoders or clip_vision
    "control_net_name": "controlnet",
    "style_model_name": "style_models",
    "gligen_name": "gligen",
    "photomaker_model_name": "photomaker",
} | {f"clip_name{n}": "text_encoders" for n in (1, 2, 3, 4)}
BUILT_IN = {"None", "none", "pixel_space", "taesd", "taesdxl", "taesd3", "taef1"}
WEIGHTS = (".safetensors", ".sft", ".gguf", ".onnx")
PICKLES = re.compile(r"(?i)\.(ckpt|pt|pt2|pth|bin|pkl|pickle|joblib|npy|npz)$")
CLIMBS = re.compile(r"(^|[/\\])(\.\.([/\\]|$)|\.[/\\])")
ROOTED = re.compile(r"^\s*([/\\~].|[A-Za-z]:[/\\])")
ANNOTATED = re.compile(r"\[\s*(input|output|temp)\s*\]\s*$", re.IGNORECASE)
ADDRESS = re.compile(r"(?i)^\s*([a-z][a-z0-9+.-]*:)?//|^\s*(data|file|javascript):")
PREFIX = re.compile(r"[\w()+=,-][\w .()+=,-]*(/[\w()+=,-][\w .()+=,-]*)*")
TOKENS = re.compile(r"%(width|height|year|month|day|hour|minute|second|batch_num)%")
MAX_PREFIX = 100  # characters
MAX_UNQUOTED = 3  # times that a path may have been encoded, and once more is too often


def within(value: Any) -> Iterator[str]:
    """Yields the texts of an input, keys of objects too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from within(one)
        if isinstance(value, dict):
            yield from value


def check(class_: str, name: str, value: Any, where: str) -> None:
    """Refuses a text that reaches for a file or an address.

    Raises:
        RunError: The text, or the lack of an asset.
    """
    if (class_, name) in FILES:
        text = f"{where} must be an uploaded asset, got {value!a:.60}. Upload the file."
        raise RunError("missing_asset", 422, text)
    if name in WORDS and isinstance(value, str):
        return
    for one in within(value):
        if wrong := _wrong(name, one):
            raise invalid(f"{where} must be {wrong}, got {one!a:.60}. Change it.")


def model(name: str, value: str) -> tuple[str, str] | None:
    """Returns folder (empty: unknown) and name of the model that an input names, if it does."""
    if name in WORDS or value in BUILT_IN:
        return None
    if name in FOLDERS or value.lower().endswith(WEIGHTS):
        return FOLDERS.get(name, ""), value
    return None


def _wrong(name: str, text: str) -> str | None:
    """Says what a text should have been, if it is not right."""
    if name == "filename_prefix":
        plain = TOKENS.sub("0", text)
        if len(text) > MAX_PREFIX or not PREFIX.fullmatch(plain) or CLIMBS.search(plain):
            return f"at most {MAX_PREFIX} letters, digits, spaces, - _ . / and known %tokens%"
        return None
    for _ in range(MAX_UNQUOTED):
        for pattern, wanted in (
            (ADDRESS, "a name, no address"),
            (CLIMBS, "a name, no path"),
            (ROOTED, "a name, no path"),
            (ANNOTATED, "a name without an annotation"),
            (PICKLES, "a model in safetensors"),
        ):
            if pattern.search(text):
                return wanted
        text = unquote(text)
    return None
