"""Whether an order may be carried out at all; asked before anything is loaded or allocated."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from . import engine as engines
from . import licences, weights
from .order import MAX_CANDIDATES, STOP, WHEN_WEIGHTS_MISSING, Order

FALLBACK = "warp"


class Cleared(NamedTuple):
    """What an order is carried out with.

    Attributes:
        engine: The one asked for, or FALLBACK.
        task: One of `engine.TASKS`.
        paths: Weights id to the folder or file that the engine loads.
        notices: Sentences for the user.
    """

    engine: str
    task: str
    paths: Mapping[str, Path]
    notices: tuple[str, ...] = ()

    @property
    def entry(self) -> engines.Entry:
        """Returns the engine's entry."""
        return engines.entry(self.engine)


def clear(order: Order, task: str, folders: Sequence[Path]) -> Cleared:
    """Settles the engine of an order and where its weights are.

    Args:
        order: The order.
        task: One of `engine.TASKS`.
        folders: Where weights may lie.

    Raises:
        ValueError: The order asks for what there is not.
        PermissionError: A licence forbids the usage; the sentence names it.
        FileNotFoundError: Weights or a LoRA are missing; the sentence says how to get them.
    """
    _require(order, task)
    entry = engines.entry(order.engine)
    found = {key: weights.find(key, folders) for key in (*entry.weights, *entry.optional)}
    left_out = [
        key
        for key in entry.optional
        if found[key] is not None and licences.refusal(order.usage, [key])
    ]
    paths = {k: path for k, path in found.items() if path is not None and k not in left_out}
    loras = () if entry.family == "warp" else order.settings.loras
    _require_loras(loras)
    wanted = [key for key in found if key in entry.weights or key in paths]
    forbidden = licences.refusal(order.usage, wanted, loras)
    if forbidden:
        raise PermissionError(forbidden)
    lacking = next((key for key in entry.weights if key not in paths), None)
    if lacking is None:
        return Cleared(order.engine, task, paths, (*_unused(order), *_unsold(left_out)))
    sentence = weights.missing(lacking, folders) or ""
    if order.when_weights_missing == STOP:
        raise FileNotFoundError(sentence)
    return Cleared(FALLBACK, task, {}, (f"The engine {FALLBACK} was used instead: {sentence}",))


def _require(order: Order, task: str) -> None:
    for name, value, known in (
        ("engine", order.engine, tuple(engines.names(task))),
        ("when_weights_missing", order.when_weights_missing, WHEN_WEIGHTS_MISSING),
        ("usage", order.usage, licences.USAGES),
    ):
        if value not in known:
            raise ValueError(
                f"{name} must be one of {', '.join(known)}, got {value!r}. Choose one."
            )
    if not 1 <= order.candidates <= MAX_CANDIDATES:
        raise ValueError(
            f"candidates must be 1 to {MAX_CANDIDATES}, got {order.candidates}. Choose fewer."
        )
    if order.steps < 0:
        raise ValueError(
            f"steps must be 0 or more, got {order.steps}. 0 takes as many as the engine likes."
        )


def _require_loras(loras: Sequence) -> None:
    for lora in loras:
        if not lora.path.is_file() or lora.path.suffix != ".safetensors":
            raise FileNotFoundError(
                f"a LoRA must be a safetensors file, got {lora.path}. Choose one that is there; "
                "pickled files (.pt, .ckpt, .bin) are refused, they may hold programs."
            )


def _unsold(left_out: Sequence[str]) -> tuple[str, ...]:
    """Which weights were left out though they are installed, a sentence each."""
    return tuple(
        f"The weights {weights.entry(key).name} were left out: their licence "
        f"({weights.entry(key).licence}) is not known to allow commerce. "
        "Set usage to research to use them."
        for key in left_out
    )


def _unused(order: Order) -> tuple[str, ...]:
    """What the engine without a network does not use, in a sentence."""
    if engines.entry(order.engine).family != "warp":
        return ()
    ignored = [
        name
        for name, given in (
            ("prompt", bool(order.prompt.strip())),
            ("steps", order.steps > 0),
            ("the LoRAs", bool(order.settings.loras)),
        )
        if given
    ]
    if not ignored:
        return ()
    return (
        f"The engine {order.engine} does not use {', '.join(ignored)}: it draws nothing anew. "
        "Choose another engine for that.",
    )
