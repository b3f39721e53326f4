"""What is known about one mannequin photo: the label map, its kind, and how sure that is."""

from typing import NamedTuple

import numpy as np

from . import labels

KINDS = (
    "full",
    "headless",
    "armless",
    "dressform",
    "ghost",
    "legs",
    "hanger",
    "flatlay",
    "person",
    "unknown",
)
REGIONS = ("upper", "lower", "dress", "layered")
VIEWS = ("front", "back", "three-quarter")


class Parsing(NamedTuple):
    """The parsing of one photo.

    Attributes:
        label_map: (H, W) uint8, values of `labels`.
        kind: One of KINDS.
        region: One of REGIONS: what the garment covers.
        view: One of VIEWS.
        confidence: 0 to 1; how far the label map can be trusted.
        warnings: Sentences for the user: what is doubtful, and what to do.
        photo: `strokes.fingerprint` of the photo; empty where unknown.
        joints: (18, 3) float32, in the order of `pose.NAMES`: x and y in photo pixels, and how
            sure; where the network sees the joint, or where it would be. None where unknown.
    """

    label_map: np.ndarray
    kind: str = "unknown"
    region: str = "upper"
    view: str = "front"
    confidence: float = 0.0
    warnings: tuple[str, ...] = ()
    photo: str = ""
    joints: np.ndarray | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.label_map.shape
        return height, width

    @property
    def garment(self) -> np.ndarray:
        """(H, W) bool."""
        return self.label_map == labels.GARMENT

    @property
    def mannequin(self) -> np.ndarray:
        """(H, W) bool; without its support."""
        return self.label_map == labels.MANNEQUIN

    @property
    def support(self) -> np.ndarray:
        """(H, W) bool."""
        return self.label_map == labels.SUPPORT

    @property
    def interior(self) -> np.ndarray:
        """(H, W) bool."""
        return self.label_map == labels.INTERIOR
