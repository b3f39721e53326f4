"""The suite: the scenes, seeds, gates and targets that every change is measured by.

docs/suite.schema.json describes the file; docs/evaluation.md says how to choose what is in it.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from . import plan as plans
from .plan import Gate, Plan, Target

SCHEMA = "dressform.suite/1"
LEAST_SEEDS = 2  # a new fail is confirmed on a second one
FILES = ("photo", "person", "garment_mask", "repaint_mask")
KEYS = {
    "schema",
    "name",
    "seeds",
    "noise_seeds",
    "profile",
    "claim",
    "gates",
    "targets",
    "workflow",
    "scenes",
}
SCENE_KEYS = {"id", "slices", *FILES}
# Inputs that take photo and person, as the shipped workflows call them.
BINDINGS = {"photo": "Mannequin photo.image", "person": "Person.image"}
WORKFLOW_KEYS = {*BINDINGS, "seed", "result"}
EXAMPLE = "docs/evaluation.md has an example"


class Scene(NamedTuple):
    """One product photo and what belongs to it.

    Attributes:
        id: Names its pictures and folders.
        files: Absolute paths by name of FILES; `photo` is always there.
        slices: What it is an example of, as `garment=dress` or plain words.
    """

    id: str
    files: Mapping[str, Path]
    slices: tuple[str, ...]


class Suite(NamedTuple):
    """What a change is measured by.

    Attributes:
        path: Of the file.
        name: Of the suite.
        scenes: In order.
        seeds: At least LEAST_SEEDS, the same for baseline and candidate.
        noise_seeds: Of the baseline's second run; empty where its own seeds are held together.
        plan: Gates, targets, claim.
        profile: Of the quality check: a name, or the absolute path of a TOML file.
        workflow: Which inputs of a workflow take photo, person and seed, and which node's output
            is the result.
    """

    path: Path
    name: str
    scenes: tuple[Scene, ...]
    seeds: tuple[int, ...]
    noise_seeds: tuple[int, ...]
    plan: Plan
    profile: str
    workflow: Mapping[str, Any]


def load(path: Path) -> Suite:
    """Reads a suite file; its paths are relative to it.

    Raises:
        FileNotFoundError: It or a file that it names is not there.
        ValueError: It is no complete suite.
    """
    document = _document(path)
    folder = path.resolve().parent
    scenes = tuple(_scene(entry, folder, path) for entry in _list(document, "scenes", path))
    if not scenes:
        raise ValueError(f"a suite must have scenes, got none in {path}. {EXAMPLE}.")
    _require_different(scenes, path)
    seeds = _seeds(document, "seeds", path)
    if len(seeds) < LEAST_SEEDS:
        raise ValueError(
            f"seeds must be at least {LEAST_SEEDS}, got {len(seeds)} in {path}. A new fail counts "
            "only where a second seed confirms it."
        )
    noise_seeds = _seeds(document, "noise_seeds", path)
    if noise_seeds and (len(noise_seeds) != len(seeds) or set(noise_seeds) & set(seeds)):
        raise ValueError(
            f"noise_seeds must be {len(seeds)} other seeds, got {list(noise_seeds)} in {path}. "
            "They make the baseline a second time; leave them out to do without."
        )
    profile = str(document.get("profile", "default"))
    if profile.endswith(".toml"):
        profile = str(_file(folder / profile, path))
    suite = Suite(
        path,
        str(document.get("name", path.stem)),
        scenes,
        seeds,
        noise_seeds,
        plans.require(_plan(document, path)),
        profile,
        MappingProxyType(_workflow(document, path)),
    )
    _require_reachable(suite)
    return suite


def slices(suite: Suite) -> dict[str, tuple[str, ...]]:
    """Returns the slices by scene, in the order of the suite."""
    return {scene.id: scene.slices for scene in suite.scenes}


def binding(suite: Suite, name: str) -> str:
    """Returns the NODE.INPUT of a workflow that takes a file of FILES."""
    return str(suite.workflow.get(name, BINDINGS[name]))


def bound(suite: Suite) -> frozenset[tuple[str, str]]:
    """Returns node and input of all that the suite sets in a workflow: that is no change."""
    seeds = suite.workflow.get("seed", [])
    named = [binding(suite, name) for name in BINDINGS]
    named += seeds if isinstance(seeds, list) else [seeds]
    return frozenset((one.rpartition(".")[0], one.rpartition(".")[2]) for one in named)


def _document(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"a suite file is required, got {path}, which does not exist. Correct --suite."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"a suite must be TOML, got {path}: {error}. Correct it.") from error
    if document.get("schema") != SCHEMA:
        raise ValueError(
            f'a suite must have schema = "{SCHEMA}", got {document.get("schema")!r} in {path}. '
            f"{EXAMPLE}."
        )
    unknown = sorted(set(document) - KEYS)
    if unknown:
        raise ValueError(
            f"a suite has {', '.join(sorted(KEYS))}, got also {', '.join(unknown)} in {path}. "
            "Correct the spelling; a setting that is not understood would not be frozen."
        )
    return document


def _plan(document: Mapping[str, Any], path: Path) -> Plan:
    given = document.get("gates", {})
    if not isinstance(given, dict):
        raise ValueError(f"gates must be a table, got {given!r} in {path}. {EXAMPLE}.")
    try:
        gates = tuple(
            Gate(name, float(entry["margin"] if isinstance(entry, dict) else entry))
            for name, entry in given.items()
        )
        targets = tuple(
            Target(str(entry["metric"]), entry.get("slice"))
            for entry in _list(document, "targets", path)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"gates must be like veil = 2.0 and targets have a metric, got {error} in {path}. "
            f"{EXAMPLE}."
        ) from error
    return Plan(gates, targets, str(document.get("claim", "better")))


def _scene(entry: Any, folder: Path, path: Path) -> Scene:
    if not isinstance(entry, dict) or not {"id", "photo"} <= set(entry):
        raise ValueError(
            f"every scene must have an id and a photo, got {entry!r} in {path}. Add it."
        )
    unknown = sorted(set(entry) - SCENE_KEYS)
    if unknown:
        raise ValueError(
            f"a scene has {', '.join(sorted(SCENE_KEYS))}, got also {', '.join(unknown)} at "
            f"{entry['id']} in {path}. Correct the spelling."
        )
    name = str(entry["id"])
    if not name or set(name) & set('/\\:*?"<>|') or name.startswith("."):
        raise ValueError(f"a scene's id must do as a file name, got {name!r} in {path}. Rename it.")
    tags = entry.get("slices", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag for tag in tags):
        raise ValueError(
            f'slices must be words like "garment=dress", got {tags!r} at {name} in {path}. '
            "Correct them."
        )
    kinds = [tag.partition("=")[0] for tag in tags if "=" in tag]
    if len(set(kinds)) != len(kinds) or len(set(tags)) != len(tags):
        raise ValueError(
            f"a scene is in one slice of each kind, got {', '.join(tags)} at {name} in {path}. "
            "Keep the one that fits best."
        )
    files = {kind: _file(folder / entry[kind], path) for kind in FILES if kind in entry}
    return Scene(name, MappingProxyType(files), tuple(tags))


def _workflow(document: Mapping[str, Any], path: Path) -> dict[str, Any]:
    found = document.get("workflow", {})
    if not isinstance(found, dict) or not set(found) <= WORKFLOW_KEYS:
        raise ValueError(
            f"workflow must be a table of {', '.join(sorted(WORKFLOW_KEYS))}, got {found!r} in "
            f"{path}. {EXAMPLE}."
        )
    return dict(found)


def _file(path: Path, suite: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(
            f"every file of a suite must be there, got none at {path}, which {suite} names. "
            "Correct the path or put the file back."
        )
    return path


def _list(document: Mapping[str, Any], key: str, path: Path) -> list[Any]:
    found = document.get(key, [])
    if not isinstance(found, list):
        raise ValueError(f"{key} must be a list [[{key}]], got {found!r} in {path}. {EXAMPLE}.")
    return found


def _seeds(document: Mapping[str, Any], key: str, path: Path) -> tuple[int, ...]:
    found = _list(document, key, path)
    if not all(type(seed) is int and seed >= 0 for seed in found) or len(set(found)) != len(found):
        raise ValueError(
            f"{key} must be different whole numbers from 0, got {found!r} in {path}. Correct them."
        )
    return tuple(found)


def _require_different(scenes: tuple[Scene, ...], path: Path) -> None:
    seen: dict[str, str] = {}
    for scene in scenes:
        folded = scene.id.casefold()  # not every file system tells upper from lower case
        if folded in seen:
            raise ValueError(
                f"ids of scenes must differ, got {scene.id} twice in {path}. Rename one."
            )
        seen[folded] = scene.id


def _require_reachable(suite: Suite) -> None:
    known = {name for scene in suite.scenes for name in scene.slices}
    for target in suite.plan.targets:
        if target.slice is not None and target.slice not in known:
            raise ValueError(
                f"a target's slice must be that of a scene, got {target.slice!r} in {suite.path}. "
                f"Slices are: {', '.join(sorted(known)) or 'none'}."
            )
