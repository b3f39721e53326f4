"""What differs between two workflows: a comparison is to change one thing at a time."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

Prompt = Mapping[str, Mapping[str, Any]]

# Inputs that name weights; any other one is a parameter.
BASE_MODEL = ("ckpt_name", "unet_name", "model_name", "clip_name", "vae_name", "engine")
# What differs from picture to picture without being a change.
NOT_A_FACTOR = ("filename_prefix", "seed", "noise_seed", "control_after_generate")
LOADERS = ("LoadImage", "LoadImageMask", "LoadImageOutput")
KINDS = ("base model", "LoRA", "parameter", "template")


class Factor(NamedTuple):
    """One thing that differs.

    Attributes:
        kind: One of KINDS.
        where: Title of the node and name of the input.
        before, after: Its values, as short texts; empty where a node is only in one of them.
    """

    kind: str
    where: str
    before: str
    after: str


def differences(
    before: Prompt, after: Prompt, *, bound: Collection[tuple[str, str]] = ()
) -> tuple[Factor, ...]:
    """Compares two workflows in API format.

    A node that is only in one of them is one factor, with all links that lead to and from it.

    Args:
        before, after: Nodes by id.
        bound: Node titles and inputs that the suite sets, for example photo and seed.
    """
    same = _matched(before, after)
    alone = [(i, before, True) for i in before if i not in same]
    alone += [(i, after, False) for i in after if i not in same.values()]
    found = [_alone(prompt[i], is_before) for i, prompt, is_before in alone]
    for old, new in same.items():
        found += _inputs(before[old], after[new], same, set(after) - set(same.values()), bound)
    return tuple(found)


def require_one(factors: Sequence[Factor], allowed: int) -> None:
    """Refuses to blame or praise one change for what several have done.

    Raises:
        ValueError: More factors differ than are allowed, or none does.
    """
    if len(factors) > allowed:
        listed = "; ".join(told(factor) for factor in factors)
        raise ValueError(
            f"one changed factor is required, got {len(factors)}: {listed}. Change one at a time, "
            f"or say --factors {len(factors)} if only all together are of interest."
        )


def told(factor: Factor) -> str:
    """Returns a factor in a few words."""
    if factor.before and factor.after:
        return f"{factor.where}: {factor.before} to {factor.after} ({factor.kind})"
    return f"{factor.where} {'removed' if factor.before else 'added'} ({factor.kind})"


def embedded(path: Path) -> dict[str, Any] | None:
    """Returns the workflow that ComfyUI has written into a PNG; None where there is none."""
    try:
        with Image.open(path) as picture:
            found = json.loads(picture.info.get("prompt", "null"))
    except (OSError, ValueError, SyntaxError):
        return None
    return found if isinstance(found, dict) else None


def _matched(before: Prompt, after: Prompt) -> dict[str, str]:
    """Returns which node is which: by id and type, else by title and type."""
    same = {i: i for i in before if i in after and _type(before[i]) == _type(after[i])}
    for i, node in before.items():
        if i in same:
            continue
        for j, other in after.items():
            is_free = j not in same.values()
            if is_free and _type(node) == _type(other) and title(node) == title(other):
                same[i] = j
                break
    return same


def _alone(node: Mapping[str, Any], is_before: bool) -> Factor:
    kind = "LoRA" if "lora" in _type(node).lower() else "template"
    name = _type(node)
    return Factor(kind, title(node), name if is_before else "", "" if is_before else name)


def _inputs(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    same: Mapping[str, str],
    added: Collection[str],
    bound: Collection[tuple[str, str]],
) -> list[Factor]:
    found = []
    before, after = old.get("inputs", {}), new.get("inputs", {})
    for name in sorted({*before, *after}):
        values = before.get(name), after.get(name)
        is_set = (title(old), name) in bound or (title(new), name) in bound
        loads = _type(old) in LOADERS and name in ("image", "upload")
        if name in NOT_A_FACTOR or is_set or loads:
            continue
        links = [_link(value) for value in values]
        if any(links):
            # A link to a node that is only in one of them is told with that node.
            if (links[0] and links[0] not in same) or (links[1] and links[1] in added):
                continue
            if (
                links[0]
                and links[1]
                and same[links[0]] == links[1]
                and values[0][1] == values[1][1]
            ):
                continue
        if values[0] != values[1]:
            kind = "template" if any(links) else _kind(name)
            found.append(Factor(kind, f"{title(old)}.{name}", _short(values[0]), _short(values[1])))
    return found


def _kind(name: str) -> str:
    if name in BASE_MODEL:
        return "base model"
    return "LoRA" if "lora" in name else "parameter"


def _link(value: Any) -> str:
    is_link = isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
    return value[0] if is_link else ""


def title(node: Mapping[str, Any]) -> str:
    """Returns how a node is called."""
    return str((node.get("_meta") or {}).get("title") or _type(node))


def _type(node: Mapping[str, Any]) -> str:
    return str(node.get("class_type"))


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text or "empty"
    return text if len(text) <= 60 else text[:57] + "..."
