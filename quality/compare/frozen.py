"""Freezing a suite: hashes of everything in it, taken before a change is measured."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...imaging import files
from .. import thresholds
from .plan import ALPHA, BLOCKERS, NEW_FAIL_LIMIT
from .suite import Suite

SCHEMA = "dressform.suite_lock/1"
CHUNK_BYTES = 1 << 20
MOST_NAMED = 6  # changes in one sentence


def path_of(suite: Suite) -> Path:
    """Returns where the frozen copy of a suite's contents is: beside it."""
    return suite.path.with_suffix(".lock.json")


def freeze(suite: Suite) -> dict[str, Any]:
    """Writes the lock beside the suite; one that is there and says the same is left alone.

    Returns:
        The lock: hashes of all files, all settings, and one hash over everything.

    Raises:
        ValueError: Two scenes have the same photo, or another lock is there.
    """
    lock = describe(suite)
    path = path_of(suite)
    if path.is_file():
        require(suite)
    else:
        with files.whole(path) as partial:
            partial.write_text(json.dumps(lock, indent=1, ensure_ascii=False), encoding="utf-8")
    return lock


def require(suite: Suite) -> dict[str, Any]:
    """Returns the lock of a suite that has not changed since it was frozen.

    Raises:
        ValueError: It has; names what.
    """
    path = path_of(suite)
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        told = kept["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"the lock of a suite must be as it was written, got {path}: {error}. Take it from "
            "your version control."
        ) from error
    now = describe(suite)
    if now == kept:
        return now
    changes = differences(kept, now) or [f"the lock itself, whose hash was {told[:12]}"]
    more = f" and {len(changes) - MOST_NAMED} more" if len(changes) > MOST_NAMED else ""
    raise ValueError(
        f"a frozen suite must not change, got changes in {suite.path}: "
        f"{'; '.join(changes[:MOST_NAMED])}{more}. Undo them, or save the suite under a new name: "
        "results of the old one cannot be compared with it."
    )


def describe(suite: Suite) -> dict[str, Any]:
    """Returns everything that a result depends on but the pictures, with a hash over it."""
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "name": suite.name,
        "settings": {
            "seeds": list(suite.seeds),
            "noise_seeds": list(suite.noise_seeds),
            "gates": {gate.metric: gate.margin for gate in suite.plan.gates},
            "targets": [dict(target._asdict()) for target in suite.plan.targets],
            "claim": suite.plan.claim,
            "workflow": dict(suite.workflow),
            "level": ALPHA,
            "new_fail_limit": NEW_FAIL_LIMIT,
            "blockers": list(BLOCKERS),
        },
        "profile": _profile(suite.profile),
        "scenes": {
            scene.id: {
                **{kind: file_hash(path) for kind, path in scene.files.items()},
                "slices": list(scene.slices),
            }
            for scene in suite.scenes
        },
    }
    _require_different_photos(found["scenes"], suite)
    return {**found, "sha256": _hash(json.dumps(found, sort_keys=True).encode())}


def differences(before: Mapping[str, Any], after: Mapping[str, Any], at: str = "") -> list[str]:
    """Returns what two locks differ in, in words."""
    found = []
    for key in dict.fromkeys((*before, *after)):
        where = f"{at} {key}".strip()
        if (key == "sha256" and not at) or before.get(key) == after.get(key):
            continue
        old, new = before.get(key), after.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, where)
        elif key not in before:
            found.append(f"{where} is new")
        elif key not in after:
            found.append(f"{where} is gone")
        elif _is_hash(old) and _is_hash(new):
            found.append(f"{where} is another file")
        else:
            found.append(f"{where} was {_short(old)}, is {_short(new)}")
    return found


def file_hash(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _profile(profile: str) -> str:
    path = Path(profile) if profile.endswith(".toml") else thresholds.FOLDER / f"{profile}.toml"
    thresholds.load(profile)  # says what is wrong with it
    return file_hash(path)


def _require_different_photos(scenes: Mapping[str, Mapping[str, Any]], suite: Suite) -> None:
    """A photo under two names would count its seeds twice."""
    seen: dict[tuple[Any, Any], str] = {}
    for name, entry in scenes.items():
        content = entry["photo"], entry.get("person")
        if content in seen:
            raise ValueError(
                f"scenes must have different photos, got the same for {seen[content]} and {name} "
                f"in {suite.path}. More seeds are no more scenes: remove one of them."
            )
        seen[content] = name


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and len(value) == hashlib.sha256().digest_size * 2


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
