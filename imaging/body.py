"""Locates the complete body that a mannequin photo implies.

A parametric figure (`anatomy.figure`) is fitted to the labels, to the joints that the network sees
as far as it is sure of them, and, where neither says anything, to the usual proportions.
"""

import cv2
import numpy as np

from .anatomy import evidence, figure, fitting, outline, starts
from .anatomy import proportions as p
from .labels import BACKGROUND, CLUTTER, SUPPORT
from .parser import assessment
from .parsing import Parsing
from .pose import NAMES, Keypoint, Pose

WORKING_HEIGHT_PX = 384  # a joint's tolerance is about 8 pixels there
SEEN, COVERED, IMPLIED, OUTSIDE = 1.0, 0.6, 0.3, 0.2  # confidence of a joint
MIN_AREA = 0.0005  # share of the photo; less is noise, not a body
LEAST_MANNEQUIN = 0.02  # share of mannequin in the body below which the garment stands alone
LEAST_SLEEVE_PX = 10  # of the small copy


def locate(parsing: Parsing) -> Pose:
    """Finds the eighteen joints of the body that mannequin and garment imply.

    Args:
        parsing: Label map with kind, region and view; rough masks will do. Where the kind is
            unknown, all three are worked out from the label map.

    Returns:
        Every joint, in photo pixels, also outside the photo. Confidence is 1 where the mannequin
        shows the joint, 0.6 where the garment covers it, 0.3 where proportions alone place it,
        0.2 outside the photo.

    Raises:
        ValueError: Neither garment nor mannequin is labelled.
    """
    parsing = assessment.complete(parsing)
    figures, scale = _fit(parsing)
    facing_back = parsing.view == "back"
    height, width = parsing.size
    named, keypoints = fitting.named(figures, back=facing_back), {}
    for name in NAMES:
        x, y = (named[name][0] + 0.5) / scale - 0.5
        keypoints[name] = Keypoint(float(x), float(y), _confidence(parsing, x, y))
    return Pose(height, width, keypoints)


def silhouette(pose: Pose) -> np.ndarray:
    """Returns the (H, W) bool outline of the complete body around a pose, without clothes."""
    filled = np.zeros((pose.height, pose.width), np.uint8)
    for polygon in outline.parts(pose).values():
        cv2.fillPoly(filled, [np.rint(polygon * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    return filled > 0


def _fit(parsing: Parsing) -> tuple[figure.Figures, float]:
    """Returns the figure in the photo's small copy, and the copy's scale."""
    scale = min(1.0, WORKING_HEIGHT_PX / max(parsing.size))
    small, back = _reduced(parsing, scale), parsing.view == "back"
    known = evidence.gather(small)
    found = fitting.fit(known, starts.starts(known, small), back=back, looseness=fitting.LOOSENESS)
    built = figure.build(found, back=back)
    known = evidence.with_sleeves(known, parsing.kind, _sleeves(small, parsing.kind, built), built)
    found = fitting.fit(known, found[None], back=back, looseness=fitting.ARMS_LOOSENESS)
    return figure.build(found, back=back), scale


def _reduced(parsing: Parsing, scale: float) -> Parsing:
    height, width = parsing.size
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(parsing.label_map, size, interpolation=cv2.INTER_NEAREST)
    joints = None if parsing.joints is None else parsing.joints * (scale, scale, 1)
    found = parsing._replace(label_map=small, joints=joints)
    body = found.mannequin | found.garment | found.interior
    if body.mean() < MIN_AREA:
        raise ValueError(
            "a garment or a mannequin must be labelled to locate a body, got "
            f"{int(body.sum())} pixels of them. Mark the garment in the mask and try again."
        )
    bare = found.mannequin.sum() < LEAST_MANNEQUIN * body.sum()
    return found._replace(kind="ghost") if bare else found


def _sleeves(small: Parsing, kind: str, built: figure.Figures) -> np.ndarray:
    """Returns the angles of both arms as their sleeves' outer edges say, NaN without sleeves."""
    where = np.argwhere(small.garment)[:, ::-1].astype(np.float64)
    inside = p.SLEEVE_EMPTY.get(kind, p.SLEEVE_FILLED)
    found = []
    for side, outward in (("left", -1.0), ("right", 1.0)):
        offset = (where - built.joints[f"shoulder_{side}"][0]) / built.stature[0]
        angle, reach = np.arctan2(offset[:, 0] * outward, offset[:, 1]), np.hypot(*offset.T)
        near = (reach > p.SLEEVE_RING[0]) & (reach < p.SLEEVE_RING[1])
        near &= np.abs(angle) < p.LARGEST_SLEEVE
        # A few stray pixels do not make a sleeve.
        edge = np.quantile(angle[near], 0.97) if near.sum() > LEAST_SLEEVE_PX else 0.0
        found.append(edge - inside if edge > p.LEAST_SLEEVE else np.nan)
    return np.array(found)


def _confidence(parsing: Parsing, x: float, y: float) -> float:
    height, width = parsing.size
    column, row = round(float(x)), round(float(y))
    if not (0 <= column < width and 0 <= row < height):
        return OUTSIDE
    label = int(parsing.label_map[row, column])
    if label in (BACKGROUND, SUPPORT, CLUTTER):
        return IMPLIED
    return SEEN if parsing.mannequin[row, column] else COVERED
