"""LoRAs on a loaded pipeline: put on, weighed and taken off while the base weights stay."""

import contextlib
import functools
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .painter import Lora

# Prefixes of kohya's trainer, which most published LoRAs come from.
KOHYA_PREFIXES = {"lora_te_": "text_encoder", "lora_te1_": "text_encoder"}
KOHYA_PREFIXES |= {"lora_te2_": "text_encoder_2", "lora_unet_": "unet"}
# How the two halves of a layer were named before peft named them lora_A and lora_B.
SPELLINGS = {
    ".processor.": ".",
    "_lora.down.": ".lora_A.",
    "_lora.up.": ".lora_B.",
    ".lora.down.": ".lora_A.",
    ".lora.up.": ".lora_B.",
    ".lora_linear_layer.down.": ".lora_A.",
    ".lora_linear_layer.up.": ".lora_B.",
}
# Where trainers note in the file what a LoRA is for.
ARCHITECTURE_NOTES = ("modelspec.architecture", "ss_base_model_version", "ss_sd_model_name")
# FLUX takes the LoRA of a model with fewer input channels; diffusers widens it.
WIDENED = ("x_embedder",)
# Read files are kept while they are fewer than this; a LoRA is mostly 10 to 400 MB.
FILES_KEPT = 4


class _File(NamedTuple):
    """A file as it was when it was read."""

    path: Path
    size_bytes: int
    changed_ns: int


class Stack:
    """The LoRAs of one pipeline.

    Args:
        pipeline: A diffusers pipeline that takes LoRAs.
        family: What its LoRAs are made for, as the user reads it.
        own: LoRAs of the engine itself, in force whatever the user chooses.
    """

    def __init__(self, pipeline: Any, family: str, own: Sequence[Lora] = ()):
        self._pipeline = pipeline
        self._family = family
        self._own = tuple(own)
        self._adapters: dict[_File, str] = {}
        self._made = 0
        if own:
            self.set(())

    def set(self, loras: Sequence[Lora]) -> None:
        """Replaces the LoRAs in force.

        A file that stays is not read again, whatever its strength. The same file twice counts
        with the sum of its strengths; a strength of 0 is as good as no LoRA. Nothing has changed
        where this raises ValueError or FileNotFoundError.

        Raises:
            FileNotFoundError: A file is not there.
            ValueError: A file is no safetensors file or made for another architecture.
        """
        strengths = _strengths((*self._own, *loras))
        new = [file for file in strengths if file not in self._adapters]
        for file in new:
            self._require_fit(file)
        old = [name for file, name in self._adapters.items() if file not in strengths]
        self._adapters = {f: name for f, name in self._adapters.items() if f in strengths}
        if not strengths:
            self._take_all_off(old)
            return
        with _quiet():
            if old:
                self._pipeline.delete_adapters(old)
            for file in new:
                self._put_on(file)
            self._pipeline.set_adapters(
                [self._adapters[file] for file in strengths], list(strengths.values())
            )

    def _put_on(self, file: _File) -> None:
        self._made += 1
        name = f"dressform_{self._made}"
        try:
            self._pipeline.load_lora_weights(self._weights(file), adapter_name=name)
        except Exception:
            self._take_all_off([*self._adapters.values(), name])
            self._adapters = {}
            raise
        self._adapters[file] = name

    def _take_all_off(self, names: Sequence[str]) -> None:
        # Not delete_adapters: that leaves the wrapped layers in place.
        if names:
            with _quiet():
                self._pipeline.unload_lora_weights()

    def _weights(self, file: _File) -> dict[str, Any]:
        """Returns the tensors for the networks that this pipeline has."""
        return {
            key: value
            for key, value in _read(file)[0].items()
            if (owner := _owner(key)) is None or getattr(self._pipeline, owner, None) is not None
        }

    def _require_fit(self, file: _File) -> None:
        _, notes = _read(file)
        reason = self._misfit(self._weights(file))
        if reason is not None:
            made_for = next((notes[key] for key in ARCHITECTURE_NOTES if notes.get(key)), None)
            got = f"one for {made_for}" if made_for else f"one that {reason}"
            raise ValueError(
                f"LoRA {file.path.name} must be made for {self._family}, got {got}. Choose a LoRA "
                f"that was trained on {self._family}, or the engine that this one is for."
            )

    def _misfit(self, weights: dict[str, Any]) -> str | None:
        """Returns how a LoRA does not fit the network that paints; None where it fits."""
        pipeline = self._pipeline
        options = {}
        if hasattr(pipeline, "unet") and hasattr(pipeline, "text_encoder_2"):
            options["unet_config"] = pipeline.unet.config  # SDXL: names differ by its blocks
        try:
            with _quiet():
                converted = pipeline.lora_state_dict(weights, **options) if weights else {}
        except (KeyError, ValueError, IndexError, RuntimeError, AssertionError):
            return "has layers of another network"
        converted = converted[0] if isinstance(converted, tuple) else converted
        parts = [name for name in pipeline._lora_loadable_modules if _network(pipeline, name)]
        sizes = {name: _sizes(converted, name) for name in parts}
        if not any(sizes.values()) or not all("lora" in key for key in converted):
            return "has no layer of this network"
        layers = dict(_network(pipeline, parts[0]).named_modules())
        for name, size in sizes[parts[0]].items():
            if name not in layers:
                return f"has a layer {name}"
            if not _fits(size, layers[name]) and not name.endswith(WIDENED):
                return f"has another size at {name}"
        return None


def _strengths(loras: Sequence[Lora]) -> dict[_File, float]:
    total: dict[_File, float] = {}
    for lora in loras:
        file = _stat(lora.path)
        total[file] = total.get(file, 0.0) + float(lora.strength)
    return {file: strength for file, strength in total.items() if strength != 0}


def _stat(path: Path) -> _File:
    if path.suffix.lower() != ".safetensors":
        raise ValueError(
            f"a LoRA must be a .safetensors file, got {path.name}. Convert it: other formats can "
            "run code when they are opened."
        )
    if not path.is_file():
        raise FileNotFoundError(
            f"LoRA {path.name} must be a file, got nothing at {path}. Put it there or choose "
            "another."
        )
    seen = path.stat()
    return _File(path.resolve(), seen.st_size, seen.st_mtime_ns)


@functools.lru_cache(maxsize=FILES_KEPT)
def _read(file: _File) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """Returns the tensors of a file and what it notes about itself."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file.path, framework="pt", device="cpu") as opened:
            notes = opened.metadata() or {}
            return {key: opened.get_tensor(key) for key in opened.keys()}, notes
    except SafetensorError as error:
        raise ValueError(
            f"LoRA {file.path.name} must be a safetensors file, got something else ({error}). "
            "Download it again."
        ) from error


def _owner(key: str) -> str | None:
    """Returns the text encoder that a tensor is for, None where it is for none."""
    for prefix, owner in KOHYA_PREFIXES.items():
        if key.startswith(prefix):
            return owner if owner != "unet" else None
    first = key.split(".", 1)[0]
    return first if first.startswith("text_encoder") else None


def _network(pipeline: Any, name: str) -> Any:
    return getattr(pipeline, name, None)


def _sizes(weights: Mapping[str, Any], component: str) -> dict[str, dict[str, int]]:
    """Returns the inputs and outputs of every layer that a LoRA has for a network."""
    sizes: dict[str, dict[str, int]] = {}
    for key, tensor in weights.items():
        if key.startswith(f"{component}.") and tensor.ndim > 1:
            layer, _, half = _newest_spelling(key).partition(".lora_")
            layer = layer.removeprefix(f"{component}.")
            layer = f"{layer}.0" if layer.endswith(".to_out") else layer
            if half.startswith("A."):
                sizes.setdefault(layer, {})["inputs"] = tensor.shape[1]
            elif half.startswith("B."):
                sizes.setdefault(layer, {})["outputs"] = tensor.shape[0]
    return sizes


def _newest_spelling(key: str) -> str:
    for old, new in SPELLINGS.items():
        key = key.replace(old, new)
    return key


def _fits(size: Mapping[str, int], layer: Any) -> bool:
    base = getattr(layer, "base_layer", layer)  # what another LoRA has wrapped
    inputs = getattr(base, "in_features", getattr(base, "in_channels", None))
    outputs = getattr(base, "out_features", getattr(base, "out_channels", None))
    return size.get("inputs", inputs) == inputs and size.get("outputs", outputs) == outputs


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides what the libraries say of every LoRA: nothing for a text encoder, not the first one."""
    logger = logging.getLogger("diffusers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)
            yield
    finally:
        logger.setLevel(level)
