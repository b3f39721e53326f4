"""A grid of settings of one workflow: its variants, and the suite that compares them."""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

SCHEMA = "dressform.sweep/1"
SUITE_SCHEMA = "dressform.suite/1"
MOST_VARIANTS = 64  # a contact sheet of more cannot be looked at
MOST_RUNS = 1000  # scenes times seeds times variants
LEAST_SEEDS = 2  # of a suite: a new fail is confirmed on a second one
# Mean losses that a buyer does not notice, in the checks' units: below half of what warns.
MARGINS = {"veil": 2.0, "edge": 5.0, "texture": 5.0}
EXAMPLE = "Try On.engine = sdxl-union | flux2-klein"

SUFFIXES = frozenset({".safetensors", ".ckpt", ".gguf", ".pt", ".png", ".jpg", ".jpeg", ".webp"})

Prompt = Mapping[str, Mapping[str, Any]]


class Axis(NamedTuple):
    """One line of the grid.

    Attributes:
        targets: `Node.input`, set together.
        values: For each step one text per target.
    """

    targets: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]


class Variant(NamedTuple):
    """One cell of the grid.

    Attributes:
        id: Names its folder and its workflow.
        label: For people.
        settings: Text by `Node.input`.
    """

    id: str
    label: str
    settings: Mapping[str, str]


def read(text: str) -> tuple[Axis, ...]:
    """Reads a grid: on each line `Node.input = value | value`, several inputs parted by commas.

    Empty lines and lines that begin with # say nothing.

    Raises:
        ValueError: A line is none, or an input is swept twice.
    """
    axes = []
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        left, equals, right = line.partition("=")
        targets = tuple(part.strip() for part in left.split(","))
        values = tuple(_parts(value, len(targets)) for value in right.split("|"))
        if not equals or not all("." in target.strip(".") for target in targets):
            raise _no_line(line)
        if any(len(value) != len(targets) or not all(value) for value in values):
            raise _no_line(line)
        if len(set(values)) != len(values):
            raise ValueError(f"the values of a line must differ, got {line!r}. Remove one.")
        axes.append(Axis(targets, values))
    if not axes:
        raise ValueError(f"grid must have a line, got none. For example: {EXAMPLE}")
    named = [target for axis in axes for target in axis.targets]
    if len(set(named)) != len(named):
        raise ValueError(f"an input can be swept once, got {', '.join(named)}. Join the lines.")
    return tuple(axes)


def variants(axes: Sequence[Axis]) -> tuple[Variant, ...]:
    """Returns every combination of the axes' values, the last axis fastest.

    Raises:
        ValueError: There are more than MOST_VARIANTS.
    """
    count = 1
    for axis in axes:
        count *= len(axis.values)
    if count > MOST_VARIANTS:
        raise ValueError(
            f"a grid may have {MOST_VARIANTS} variants, got {count}. Sweep fewer values, or one "
            "input after the other."
        )
    names, found = called(axes), []
    for number, chosen in enumerate(itertools.product(*(axis.values for axis in axes)), start=1):
        settings = {
            target: value
            for axis, values in zip(axes, chosen, strict=True)
            for target, value in zip(axis.targets, values, strict=True)
        }
        label = ", ".join(f"{names[t]} {short(value)}" for t, value in settings.items())
        found.append(Variant(f"{number:02d}", label, settings))
    return tuple(found)


def called(axes: Sequence[Axis]) -> dict[str, str]:
    """Returns for every `Node.input` what people read: the input, with its node if need be."""
    targets = [target for axis in axes for target in axis.targets]
    inputs = [target.rpartition(".")[2] for target in targets]
    return {
        target: (target if inputs.count(key) > 1 else key).replace("_", " ").replace(".", " ")
        for target, key in zip(targets, inputs, strict=True)
    }


def short(value: str) -> str:
    """Returns a value without folders and without the suffix of weights or pictures."""
    path = PurePath(value.replace("\\", "/"))
    return path.stem if path.suffix.lower() in SUFFIXES else value


def apply(prompt: Prompt, settings: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Returns a workflow in API format with the settings made; the given one is left as it is.

    Raises:
        ValueError: A node or an input is not there, is connected, or has another kind of value.
    """
    changed = {key: {**node, "inputs": {**node["inputs"]}} for key, node in prompt.items()}
    for target, text in settings.items():
        node, key = find(prompt, target)
        changed[node]["inputs"][key] = _converted(prompt[node]["inputs"][key], text, target)
    return changed


def find(prompt: Prompt, target: str) -> tuple[str, str]:
    """Returns node id and input of a `Node.input`; Node is an id, a title, or a class type.

    Raises:
        ValueError: It is none, or several.
    """
    wanted, _, key = target.rpartition(".")
    found = [wanted] if wanted in prompt else []
    found = found or [k for k, n in prompt.items() if n.get("_meta", {}).get("title") == wanted]
    found = found or [k for k, n in prompt.items() if n.get("class_type") == wanted]
    if len(found) != 1:
        titles = sorted({str(n.get("_meta", {}).get("title", k)) for k, n in prompt.items()})
        raise ValueError(
            f"{target!r} must name one node of the workflow, got {len(found)}. "
            f"Its nodes: {', '.join(titles)}."
        )
    inputs = prompt[found[0]]["inputs"]
    if key not in inputs or isinstance(inputs[key], list):
        free = sorted(k for k, value in inputs.items() if not isinstance(value, list))
        raise ValueError(
            f"{target!r} must name a widget of that node, got {key!r}. It has: "
            f"{', '.join(free) or 'none that is not connected'}."
        )
    return found[0], key


def suite(
    name: str, seeds: Sequence[int], scenes: Mapping[str, str], inputs: Mapping[str, str]
) -> str:
    """Returns a suite in TOML that `dressform compare` runs two variants over.

    Args:
        name: Of the suite.
        seeds: At least one; a second one is added where there is none.
        scenes: Paths of the photos by id, relative to the suite's file.
        inputs: `Node.input` for photo and seed, a title for result.
    """
    all_seeds = list(seeds)
    while len(all_seeds) < LEAST_SEEDS:
        all_seeds.append(max(all_seeds) + 1)
    lines = [
        "# Scenes and seeds of a sweep, and what a variant is compared by.",
        "# Before you freeze it: give each scene its slices, and name in [[targets]] what the",
        '# change is for (metric = "veil"), then set claim = "better".',
        f"schema = {_toml(SUITE_SCHEMA)}",
        f"name = {_toml(name)}",
        f"seeds = {json.dumps(all_seeds)}",
        'claim = "no worse"',
        "",
        "[gates] # mean losses that no buyer would notice",
        *(f"{metric} = {margin}" for metric, margin in MARGINS.items()),
        "",
        "[workflow] # which inputs take the photo and the seed, and whose picture is the result",
        *(f"{key} = {_toml(value)}" for key, value in inputs.items() if value),
    ]
    for scene, photo in scenes.items():
        lines += [
            "",
            "[[scenes]]",
            f"id = {_toml(scene)}",
            f"photo = {_toml(photo)}",
            "slices = []",
        ]
    return "\n".join(lines) + "\n"


def document(
    name: str,
    axes: Sequence[Axis],
    found: Sequence[Variant],
    seeds: Sequence[int],
    scenes: Sequence[str],
) -> dict[str, Any]:
    """Returns the sweep as JSON; docs/sweep.schema.json describes it."""
    return {
        "schema": SCHEMA,
        "name": name,
        "suite": "suite.toml" if scenes else None,
        "axes": [{"targets": list(a.targets), "values": [list(v) for v in a.values]} for a in axes],
        "seeds": list(seeds),
        "scenes": list(scenes),
        "variants": [
            {
                "id": one.id,
                "label": one.label,
                "settings": dict(one.settings),
                "workflow": f"variants/{one.id}.json",
                "pictures": f"pictures/{one.id}",
            }
            for one in found
        ],
    }


def _parts(value: str, count: int) -> tuple[str, ...]:
    parts = value.split(",") if count > 1 else [value]
    return tuple(part.strip() for part in parts)


def _no_line(line: str) -> ValueError:
    return ValueError(
        f"a line of grid must be Node.input = value | value, got {line!r}. For example: {EXAMPLE}"
    )


def _converted(old: Any, text: str, target: str) -> Any:
    """The text as the kind of value that the widget has now."""
    if isinstance(old, bool):
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise ValueError(f"{target} must be true or false, got {text!r}. Correct the grid.")
    if isinstance(old, int | float):
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{target} must be a number, got {text!r}. Correct the grid.")
        return value
    return text


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a basic string of TOML escapes as JSON does
