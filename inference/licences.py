"""Who may sell what: refuses weights whose licence does not allow the intended usage."""

from collections.abc import Sequence

from . import hashes, weights
from .painter import Lora
from .weights import Entry

USAGES = ("commercial", "research")


def refusal(usage: str, used: Sequence[Entry | str], loras: Sequence[Lora] = ()) -> str | None:
    """Returns the sentence for the user where a licence forbids the usage, else None.

    Args:
        usage: One of USAGES.
        used: Entries of weights.json, or their ids.
        loras: Files of the user; commercial where declared so or listed by their hash.

    Raises:
        ValueError: there is no such usage or id.
    """
    if usage not in USAGES:
        raise ValueError(f"usage must be one of {', '.join(USAGES)}, got {usage!r}. Choose one.")
    if usage == "research":
        return None
    for one in used:
        entry = weights.entry(one) if isinstance(one, str) else one
        if not entry.sellable:
            return _sentence(entry.name, entry.licence, entry.commercial, entry.licence_source)
    for lora in loras:
        if not sellable(lora):
            return (
                f"usage commercial needs LoRAs that may be sold with, got {lora.path.name}, whose "
                "licence is unknown. Set its licence to commercial if its maker allows it, or set "
                "usage to research."
            )
    return None


def sellable(lora: Lora) -> bool:
    """Whether a LoRA's licence is declared or known to allow commerce."""
    listed = listing(lora)
    return lora.licence == "commercial" if listed is None else listed.sellable


def listing(lora: Lora) -> Entry | None:
    """Returns the entry of weights.json that a LoRA's file belongs to, by its hash."""
    known = {file.sha256: one for one in weights.entries().values() for file in one.files}
    known.pop(None, None)
    return known.get(hashes.known(lora.path)) if known else None


def _sentence(name: str, licence: str, commercial: bool | str, source: str) -> str:
    why = "is not verified to allow" if commercial == "unverified" else "forbids"
    return (
        f"usage commercial needs weights that may be sold with, got {name}, whose licence "
        f"{licence} {why} it ({source}). Choose another engine, or set usage to research."
    )
