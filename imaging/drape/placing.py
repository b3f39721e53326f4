"""Where a garment comes to lie on a person: moved by no more than both photos prove."""

from typing import NamedTuple

import cv2
import numpy as np

from .. import labels
from ..color import to_lab
from ..parsing import Parsing
from ..pose import Pose
from . import outlines, skinning, thin_plate

# Along with confidence; the far ends of limbs say little about where the torso lies.
WEIGHTS = {
    "upper": {"Neck": 1.0, "RShoulder": 1.0, "LShoulder": 1.0, "RHip": 0.7, "LHip": 0.7},
    "lower": {
        "RHip": 1.0,
        "LHip": 1.0,
        "RKnee": 0.6,
        "LKnee": 0.6,
        "RAnkle": 0.3,
        "LAnkle": 0.3,
        "Neck": 0.3,
    },
}
# Confidence below this is a guess of the proportions; it still counts a little.
LEAST_CONFIDENCE = 0.1
# Standard deviations of a located pose between two pictures of one body in one place: shift in
# torso lengths, logarithm of the size, turn in radians. Measured on 36 rendered pairs.
DOUBT = np.array([0.035, 0.035, 0.045, 0.02])
# A difference of this many standard deviations, over all four, is none. The first holds where
# nothing else than the joints tells: before plain white, with no outline to compare.
ALONE, SIGMAS = 2.0, 3.0
# With fewer joints in sight than this the garment alone says where its wearer was, and poses are
# wrong by more. That is granted only before a backdrop that proves the camera.
LEAST_SEEN = 3
# How many times larger a difference may be that something else than the joints explains.
EXPLAINED = 2.5
# Agreement of outlines, as `outlines.agreement` has it, below which the person stands elsewhere,
# and from which it stands in the same place.
ELSEWHERE, THERE = 0.7, 0.85
# Lab difference of two photos of one backdrop in one light: noise, JPEG, a lamp that warms up.
# Its median, and the ninth decile.
SAME_BACKDROP = (3.0, 8.0)
# Lab difference from its middle colour, ninth decile, from which a backdrop shows more than paper
# and JPEG: two that agree then were taken by one camera from one place.
SHOWING = 1.5
# Long side at which backdrops are compared, and the share of it that must be seen in both.
BACKDROP_PX, LEAST_BACKDROP = 256, 0.02
# Sizes that differ by less in shape are one photo's, reduced.
SAME_SHAPE = 0.01


class Photo(NamedTuple):
    """One of the two photos.

    Attributes:
        image: (h, w, 3) uint8 sRGB.
        pose: In its pixels.
        parsing: None where unknown.
    """

    image: np.ndarray
    pose: Pose
    parsing: Parsing | None


class Place(NamedTuple):
    """Where the garment comes to lie.

    Attributes:
        matrix: (2, 3) float64, from pixels of the garment photo to pixels of the person photo.
        settled: The person stands as the garment's wearer stood, before the same camera.
    """

    matrix: np.ndarray
    settled: bool


def place(garment: Photo, person: Photo, region: str, body: np.ndarray | None = None) -> Place:
    """Finds the similarity that lays a garment onto a person.

    Where a person took the mannequin's place before a camera that stands still, the best map
    moves nothing, and the joints of two poses, each a little wrong, must not move it. That is so
    where backdrop and size are the same, the joints agree within what they are known to, and the
    outlines of mannequin and person, where they are seen, do not speak against it.

    Args:
        garment: Photo of the garment.
        person: Photo of the person.
        region: One of `parsing.REGIONS`.
        body: Silhouette of the person as `occlusion.body` returns it.
    """
    aligned = align(garment.pose, person.pose, region)
    still = _still(garment.pose, person.pose)
    showing = same_backdrop(garment, person)
    if still is None or showing is None:
        return Place(aligned, False)
    fitting = None
    if body is not None and garment.parsing is not None:
        edge = outlines.find(garment.parsing, garment.pose)
        fitting = outlines.agreement(edge, body, still, aligned, person.pose)
    if fitting is not None and fitting < ELSEWHERE:
        return Place(aligned, False)
    seen = sum(keypoint.confidence >= 1 for keypoint in garment.pose.keypoints.values())
    hidden = seen < LEAST_SEEN and showing > SHOWING
    most = ALONE if fitting is None and showing <= SHOWING else SIGMAS
    if hidden or (fitting is not None and fitting >= THERE):
        most *= EXPLAINED
    away = _away(aligned, still, garment.pose, person.pose, region)
    if float(np.hypot.reduce(away / DOUBT)) > most:
        return Place(aligned, False)
    return Place(still, True)


def align(garment_pose: Pose, person_pose: Pose, region: str) -> np.ndarray:
    """Finds the similarity from garment to person, (2, 3) float64, by the joints of the region."""
    weights = WEIGHTS["lower" if region == "lower" else "upper"]
    source = np.stack([skinning.point(garment_pose, name) for name in weights])
    target = np.stack([skinning.point(person_pose, name) for name in weights])
    trust = [
        weight
        * max(garment_pose.keypoints[name].confidence, LEAST_CONFIDENCE)
        * max(person_pose.keypoints[name].confidence, LEAST_CONFIDENCE)
        for name, weight in weights.items()
    ]
    return thin_plate.similarity(source, target, np.array(trust))


def same_backdrop(garment: Photo, person: Photo) -> float | None:
    """Compares the backdrops, as far as both photos show them.

    Returns:
        How far the backdrop differs from one colour, Lab, ninth decile; None where the backdrops
        or their light differ, or where that cannot be known.
    """
    if garment.parsing is None or person.parsing is None:
        return None
    height, width = person.image.shape[:2]
    factor = min(1.0, BACKDROP_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    seen, labs = np.ones(size[::-1], bool), []
    for photo, parsing in ((garment, garment.parsing), (person, person.parsing)):
        free = np.uint8(255) * (parsing.label_map == labels.BACKGROUND)
        seen &= cv2.resize(free, size, interpolation=cv2.INTER_AREA) > 252
        labs.append(to_lab(cv2.resize(photo.image, size, interpolation=cv2.INTER_AREA)))
    if seen.mean() < LEAST_BACKDROP:
        return None
    first, second = (lab[seen] for lab in labs)
    away = np.linalg.norm(first - second, axis=-1)
    if (np.percentile(away, (50, 90)) > SAME_BACKDROP).any():
        return None
    return float(np.percentile(np.linalg.norm(first - np.median(first, 0), axis=-1), 90))


def _still(garment_pose: Pose, person_pose: Pose) -> np.ndarray | None:
    """The map between two photos of one camera; None where their shapes differ."""
    across = person_pose.width / garment_pose.width
    down = person_pose.height / garment_pose.height
    if abs(across / down - 1) > SAME_SHAPE:
        return None
    scale = np.sqrt(across * down)
    return np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2]])


def _away(
    aligned: np.ndarray, still: np.ndarray, garment_pose: Pose, person_pose: Pose, region: str
) -> np.ndarray:
    """How the joints' own map differs from `still`, (4,) float64 in the units of DOUBT."""
    neck, hip = skinning.spine(garment_pose)
    middle = hip if region == "lower" else (neck + hip) / 2
    torso = max(float(np.hypot(*np.subtract(*skinning.spine(person_pose)))), 1e-6)
    shift = (skinning.transform(aligned, middle) - skinning.transform(still, middle)) / torso
    turned = complex(aligned[0, 0], aligned[1, 0]) / still[0, 0]
    return np.array([*shift, np.log(max(abs(turned), 1e-6)), np.angle(turned)])
