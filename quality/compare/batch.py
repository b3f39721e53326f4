"""A comparison of pictures in memory: two batches, and which scene each of their pictures shows."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import overlay, verdict
from . import document, gallery, scores, scoring
from . import verdict as verdicts
from .exhibits import Exhibit
from .plan import Gate, Plan, Target, require
from .scoring import Material

BASELINE, CANDIDATE = scores.ARMS[:2]


class Shot(NamedTuple):
    """One pair of pictures.

    Attributes:
        scene: Its name; a name that occurs again is the next seed of the same scene.
        slices: What the scene is an example of.
        before, after: (H, W, 3) uint8 sRGB, of baseline and candidate.
        material: Of the scene.
    """

    scene: str
    slices: tuple[str, ...]
    before: np.ndarray
    after: np.ndarray
    material: Material


def named(text: str, count: int) -> list[tuple[str, tuple[str, ...]]]:
    """Reads one line for each picture: the scene's name, then its slices.

    Args:
        text: Lines; empty is a scene of its own for each picture.
        count: Pictures.

    Raises:
        ValueError: There are more or fewer lines than pictures, or a scene's slices differ.
    """
    lines = [line.split() for line in text.splitlines() if line.strip()]
    lines = lines or [[str(number)] for number in range(1, count + 1)]
    if len(lines) != count:
        raise ValueError(
            f"scenes must have a line for each of the {count} pictures, got {len(lines)} lines. "
            "Write for each picture its scene's name and then its slices."
        )
    found: dict[str, tuple[str, ...]] = {}
    for name, *slices in lines:
        if found.setdefault(name, tuple(slices)) != tuple(slices):
            raise ValueError(
                f"a scene must have the same slices in every line, got {' '.join(slices) or 'none'}"
                f" and {' '.join(found[name]) or 'none'} for {name}. Correct one of the lines."
            )
    return [(name, tuple(slices)) for name, *slices in lines]


def plan(gates: str, targets: str, claim: str) -> Plan:
    """Reads gates, a line `veil 3.0` each, and targets, a line `edge` or `edge garment=dress` each.

    Raises:
        ValueError: A line is neither, or the plan cannot be decided by.
    """
    found = []
    for line in gates.splitlines():
        words = line.replace("=", " ").split()
        if not words:
            continue
        try:
            name, margin = words
            found.append(Gate(name, float(margin)))
        except ValueError as error:
            raise ValueError(
                f"a gate must be a metric and a margin like 'veil 3.0', got {line!r}. Correct it."
            ) from error
    wanted = [line.split() for line in targets.splitlines() if line.strip()]
    for words in wanted:
        if len(words) > 2:
            raise ValueError(
                f"a target must be a metric and at most a slice, got {' '.join(words)!r}. "
                "Write one target in each line."
            )
    aims = tuple(Target(words[0], words[1] if len(words) > 1 else None) for words in wanted)
    return require(Plan(tuple(found), aims, claim))


def compare(
    shots: Sequence[Shot],
    rules: Plan,
    *,
    name: str,
    profile: str = "default",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[dict[str, Any], list[Exhibit], verdicts.Decision]:
    """Measures and decides; returns the document, the worst pairs and the decision.

    Raises:
        ValueError: Pictures do not fit together, or one photo has two names.
    """
    _require_scenes(shots)
    rows, seeds = [], _seeds(shots)
    for done, (shot, seed) in enumerate(zip(shots, seeds, strict=True), 1):
        told = f"{shot.scene} seed {seed}"
        for arm, result, other in (
            (BASELINE, shot.before, shot.after),
            (CANDIDATE, shot.after, shot.before),
        ):
            measured = scoring.measure(result, other, shot.material, profile, told)
            rows.append(
                scores.Row(
                    shot.scene, arm, seed, measured["scores"], measured["states"], measured["units"]
                )
            )
        progress(done, len(shots))
    table = scores.table(rows, {shot.scene: shot.slices for shot in shots})
    found = verdicts.decide(table, rules)
    told = document.build(
        table,
        rules,
        found,
        noise=None,
        suite={"name": name, "sha256": _hash(shots), "profile": profile},
        factors=(),
        pictures={
            f"{arm}/{shot.scene}/{seed}": hashlib.sha256(picture.tobytes()).hexdigest()
            for shot, seed in zip(shots, seeds, strict=True)
            for arm, picture in ((BASELINE, shot.before), (CANDIDATE, shot.after))
        },
    )
    by_key = {(shot.scene, seed): shot for shot, seed in zip(shots, seeds, strict=True)}
    shown = [_exhibit(entry, by_key, profile) for entry in told["worst"]]
    return told, shown, found


def _exhibit(
    entry: Mapping[str, Any], shots: Mapping[tuple[str, int], Shot], profile: str
) -> Exhibit:
    shot = shots[entry["scene"], entry["seed"]]
    if gallery.is_blank(shot.after):
        return Exhibit(entry, shot.before, shot.after, None)
    checked = verdict.check(
        shot.after,
        shot.material.photo,
        shot.material.parsing,
        garment_mask=shot.material.garment_mask,
        person=shot.material.person,
        repaint_mask=shot.material.repaint_mask,
        profile=profile,
    )
    return Exhibit(entry, shot.before, shot.after, overlay.heatmap(shot.after, checked))


def _seeds(shots: Sequence[Shot]) -> list[int]:
    """Numbers the pictures of each scene from 1."""
    counts: dict[str, int] = {}
    found = []
    for shot in shots:
        counts[shot.scene] = counts.get(shot.scene, 0) + 1
        found.append(counts[shot.scene])
    return found


def _require_scenes(shots: Sequence[Shot]) -> None:
    """Refuses seeds in the guise of scenes, and pictures in the wrong place."""
    photos: dict[bytes, str] = {}
    references: dict[str, list[np.ndarray]] = {}
    for shot in shots:
        digest = hashlib.sha256(shot.material.photo.tobytes())
        if shot.material.person is not None:
            digest.update(shot.material.person.tobytes())
        other = photos.setdefault(digest.digest(), shot.scene)
        if other != shot.scene:
            raise ValueError(
                f"scenes must have different photos, got the same for {other} and {shot.scene}. "
                "More seeds are no more scenes: give both lines the same scene name."
            )
        own = [shot.material.photo, shot.material.person]
        references[shot.scene] = [gallery.thumb(one) for one in own if one is not None]
    for shot in shots:
        scoring.require_same_size(shot.after.shape, shot.before.shape, shot.scene)
        for arm, picture, pair in (
            (BASELINE, shot.before, shot.after),
            (CANDIDATE, shot.after, shot.before),
        ):
            seen = {**references, shot.scene: [*references[shot.scene], gallery.thumb(pair)]}
            reason = gallery.stranger(gallery.thumb(picture), shot.scene, seen)
            if reason and not gallery.is_blank(picture):
                raise ValueError(
                    f"every picture must show its scene, got one of {arm} that {reason}. Check "
                    "the order of the pictures and of the lines in scenes."
                )


def _hash(shots: Sequence[Shot]) -> str:
    digest = hashlib.sha256()
    for shot in shots:
        digest.update(" ".join((shot.scene, *shot.slices)).encode())
        digest.update(shot.material.photo.tobytes())
    return digest.hexdigest()
