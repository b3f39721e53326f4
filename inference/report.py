"""The report of a painting: what was used, under which licences, and what came of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from . import hashes, licences, weights
from .clearance import Cleared
from .order import Order
from .painter import Lora, Setup


def make(
    order: Order,
    cleared: Cleared,
    *,
    size: tuple[int, int],
    engine_size: tuple[int, int],
    generated_share: float,
    changed_outside: int,
    seconds: Mapping[str, float],
    candidates: Sequence[Mapping[str, Any]],
    notices: Sequence[str],
    setup: Setup | None = None,
) -> dict[str, Any]:
    """Returns the report, ready for JSON.

    Args:
        order: As it was given.
        cleared: As it was carried out.
        size: Height and width of the pictures.
        engine_size: Height and width at which the engine painted.
        generated_share: Of the pixels, 0 to 1, that were photographed nowhere.
        changed_outside: Pixels that differ where nothing was to change.
        seconds: By what took them.
        candidates: Seed, score and details of each picture, the best first.
        notices: Sentences for the user.
        setup: How the engine was laid into memory; None where it has no network.
    """
    loras = () if setup is None else order.settings.loras
    return {
        "engine": cleared.engine,
        "usage": order.usage,
        "task": cleared.task,
        "weights": [_weights(key) for key in cleared.paths],
        "loras": [_lora(one) for one in loras],
        "setup": {} if setup is None else setup._asdict(),
        "seconds": dict(seconds),
        "size": [size[1], size[0]],
        "engine_size": [engine_size[1], engine_size[0]],
        "changed_outside": changed_outside,
        "generated_share": round(generated_share, 6),
        "candidates": [dict(one) for one in candidates],
        "notices": list(notices),
    }


def _weights(key: str) -> dict[str, Any]:
    entry = weights.entry(key)
    stated = {file.path: file.sha256 for file in entry.files if file.sha256}
    return {
        "id": entry.id,
        "name": entry.name,
        "revision": entry.revision,
        "sha256": stated or None,
        "licence": entry.licence,
        "commercial": entry.commercial,
    }


def _lora(lora: Lora) -> dict[str, Any]:
    listed = licences.listing(lora)
    return {
        "name": lora.path.name,
        "sha256": hashes.known(lora.path),
        "strength": lora.strength,
        "licence": lora.licence if listed is None else listed.licence,
    }
