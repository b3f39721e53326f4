"""The worst pairs as the report shows them: both pictures and a heatmap."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...imaging import pictures
from .. import overlay, verdict
from . import gallery, scoring
from .gallery import Key
from .suite import Suite


class Exhibit(NamedTuple):
    """One pair.

    Attributes:
        entry: Of the document's `worst`.
        before, after: (H, W, 3) uint8 sRGB, of baseline and candidate.
        heatmap: (H, W, 3) uint8 of the candidate; None where it could not be measured.
    """

    entry: Mapping[str, Any]
    before: np.ndarray
    after: np.ndarray
    heatmap: np.ndarray | None


def collect(
    suite: Suite, paths: Mapping[Key, Path], worst: Sequence[Mapping[str, Any]]
) -> list[Exhibit]:
    """Reads the pictures of the worst pairs and paints where the candidate is off."""
    scenes = {scene.id: scene for scene in suite.scenes}
    found: list[Exhibit] = []
    material: dict[str, scoring.Material] = {}
    for entry in worst:
        before, after = (
            pictures.open_picture(paths[arm, entry["scene"], entry["seed"]])
            for arm in ("baseline", "candidate")
        )
        scene = entry["scene"]
        if scene not in material:
            material[scene] = scoring.material(scenes[scene])
        heatmap = _heatmap(after, before, material[scene], suite.profile)
        found.append(Exhibit(entry, before, after, heatmap))
    return found


def _heatmap(
    after: np.ndarray, before: np.ndarray, found: scoring.Material, profile: str
) -> np.ndarray | None:
    if gallery.is_blank(after):
        return None
    checked = verdict.check(
        after,
        found.photo,
        found.parsing,
        garment_mask=found.garment_mask,
        person=found.person,
        repaint_mask=found.repaint_mask,
        baseline=None if gallery.is_blank(before) else before,
        profile=profile,
    )
    return overlay.heatmap(after, checked)
