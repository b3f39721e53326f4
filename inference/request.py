"""Completes what an engine needs from what the user connected."""

import numpy as np

from ..imaging import body, labels, parse, wearer
from ..imaging import pose as poses
from ..imaging.parsing import Parsing
from ..imaging.strokes import StrokeDocument
from .engine import TryOnRequest

# Torso lengths within which a given pose is the located one: its outline then fits as well.
SAME_PLACE = 0.04
PLACED_BY = ("Neck", "RShoulder", "LShoulder", "RHip", "LHip")
MASK_THRESHOLD = 0.5  # of a soft mask; the engines matte the edge again


def prepare(
    person: np.ndarray,
    garment: np.ndarray,
    garment_mask: np.ndarray,
    *,
    person_parsing: Parsing | None = None,
    garment_parsing: Parsing | None = None,
    pose: dict | None = None,
    hints: StrokeDocument | None = None,
    repaint_mask: np.ndarray | None = None,
    region: str = "auto",
) -> TryOnRequest:
    """Returns the request of one picture; parses and locates what was not given.

    Args:
        person: (H, W, 3) uint8 sRGB.
        garment: (h, w, 3) uint8 sRGB.
        garment_mask: (h, w) float32 in [0, 1].
        person_parsing: Of the person's photo.
        garment_parsing: Of the garment's photo.
        pose: The person's keypoints as an OpenPose frame; joints it lacks are worked out.
        hints: For the person's photo.
        repaint_mask: (H, W) float32 in [0, 1].
        region: "auto" or one of `parsing.REGIONS`.

    Raises:
        ValueError: the garment mask is empty, garment_parsing is of another picture, or neither the
            parser nor a pose finds a person.
    """
    mask = garment_mask > MASK_THRESHOLD
    if not mask.any():
        raise ValueError(
            "garment_mask must select the garment, got an empty mask. Check that Parse "
            "Mannequin Photo found a garment, or connect a mask of your own."
        )
    of_garment = parse.parse(garment) if garment_parsing is None else garment_parsing
    if of_garment.size != mask.shape:
        raise ValueError(
            f"garment_parsing must be {mask.shape[0]}x{mask.shape[1]} like garment, got "
            f"{of_garment.size[0]}x{of_garment.size[1]}. Connect the parsing of the same photo."
        )
    of_person = parse.parse(person) if person_parsing is None else person_parsing
    person_pose = wearer.locate(of_person, pose)
    return TryOnRequest(
        person=person,
        garment=garment,
        garment_mask=mask,
        person_pose=person_pose,
        garment_pose=body.locate(_with_garment(of_garment, mask)),
        person_parsing=of_person,
        garment_parsing=of_garment,
        repaint_mask=None if repaint_mask is None else repaint_mask > MASK_THRESHOLD,
        hints=hints,
        region=of_garment.region if region == "auto" else region,
        by_outline=pose is None or _same_place(person_pose, of_person),
    )


def _same_place(given: poses.Pose, parsing: Parsing) -> bool:
    """Whether a pose puts the torso where the parser sees it."""
    if not wearer.visible(parsing):
        return False
    seen = body.locate(parsing)
    one, two = (np.array([pose.keypoints[n][:2] for n in PLACED_BY]) for pose in (given, seen))
    torso = np.hypot(*(two[0] - two[3:].mean(0)))
    return bool(np.hypot(*(one - two).T).max() <= SAME_PLACE * torso)


def _with_garment(parsing: Parsing, mask: np.ndarray) -> Parsing:
    """A parsing that found no garment still learns from the mask where it is."""
    if parsing.garment.any():
        return parsing
    return parsing._replace(label_map=np.where(mask, labels.GARMENT, parsing.label_map))
