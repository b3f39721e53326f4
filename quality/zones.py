"""Names for places on a garment's outline: left and right sleeve, neckline, waist, hem."""

from typing import NamedTuple

import numpy as np

from ..imaging import body as figure
from ..imaging.masks import bounds
from ..imaging.parsing import Parsing
from ..imaging.pose import NAMES

NAMED = ("left_sleeve", "right_sleeve", "neckline", "waist", "hem", "left_side", "right_side")
BARE_KINDS = ("hanger", "flatlay")  # nobody wears it, so it has no body to name places by
SLEEVE_FROM = 0.3  # of the way from shoulder to elbow; nearer to the shoulder is the body
SLEEVE_REACH = 0.75  # of the upper arm's length, around the arm
NECK_REACH = 0.75  # of the shoulders' width, around the neck
UPWARD = 0.5  # cosine; an edge that looks up this much ends the garment at its top
WAIST_SHARE, HEM_SHARE = 0.2, 0.25  # of the garment's height, at its top and bottom


class Body(NamedTuple):
    """Where a garment's wearer is: (18, 2) joints in the order of `pose.NAMES`, and the region."""

    joints: np.ndarray
    region: str

    def joint(self, name: str) -> np.ndarray:
        """Returns x and y of a joint, in px."""
        return self.joints[NAMES.index(name)]

    def moved(self, right_px: float, down_px: float) -> "Body":
        """Returns the same body in a picture that begins elsewhere."""
        return self._replace(joints=self.joints + np.array((right_px, down_px), np.float32))


def locate(parsing: Parsing) -> Body | None:
    """Returns the body under a garment; None where nobody is to be seen or implied."""
    if parsing.kind in BARE_KINDS:
        return None
    if parsing.joints is not None:
        return Body(np.asarray(parsing.joints, np.float32)[:, :2], parsing.region)
    try:
        pose = figure.locate(parsing)
    except ValueError:  # neither garment nor mannequin: there is nothing to name
        return None
    joints = np.array([(p.x, p.y) for p in (pose.keypoints[n] for n in NAMES)], np.float32)
    return Body(joints, parsing.region)


def name_points(
    at: np.ndarray, outward: np.ndarray, mask: np.ndarray, body: Body | None
) -> np.ndarray:
    """Names each point of an outline.

    Args:
        at: (N, 2) x and y in px.
        outward: (N, 2) unit normals.
        mask: (H, W) bool, the garment.
        body: In the same picture. None: the names are those of a grid, as "upper left".

    Returns:
        (N,) str, of NAMED or of the grid.
    """
    box = bounds(mask)
    if box is None or not len(at):
        return np.full(len(at), "outline", "<U16")
    share = (at - (box.left, box.top)) / (max(1, box.width), max(1, box.height))
    if body is None:
        return _grid(share)
    across = body.joint("LShoulder") - body.joint("RShoulder")
    middle = (body.joint("LHip") + body.joint("RHip")) / 2
    lefts = (at - middle) @ across > 0
    names = np.where(lefts, "left_side", "right_side").astype("<U16")
    down, up = outward[:, 1] > UPWARD, outward[:, 1] < -UPWARD
    if body.region == "lower":
        names[up & (share[:, 1] < WAIST_SHARE)] = "waist"
        names[down & (share[:, 1] > 1 - HEM_SHARE)] = "hem"
        return names
    names[down & (share[:, 1] > 1 - HEM_SHARE)] = "hem"
    width = max(float(np.linalg.norm(across)), 1.0)
    neck = body.joint("Neck")
    near_neck = np.linalg.norm(at - neck, axis=1) < NECK_REACH * width / 2
    names[near_neck & ~down] = "neckline"
    for side, letter in (("left", "L"), ("right", "R")):
        shoulder, elbow, wrist = (body.joint(letter + n) for n in ("Shoulder", "Elbow", "Wrist"))
        length = max(float(np.linalg.norm(elbow - shoulder)), 1.0)
        start = shoulder + SLEEVE_FROM * (elbow - shoulder)
        to_arm = np.minimum(_distance(at, start, elbow), _distance(at, elbow, wrist))
        to_trunk = _distance(at, neck, middle)
        own = to_arm < np.minimum(SLEEVE_REACH * length, to_trunk)
        names[own & (lefts == (side == "left")) & (names != "neckline")] = f"{side}_sleeve"
    return names


def _grid(share: np.ndarray) -> np.ndarray:
    rows = np.array(("upper", "middle", "lower"))[np.clip(share[:, 1] * 3, 0, 2).astype(int)]
    columns = np.array(("left", "middle", "right"))[np.clip(share[:, 0] * 3, 0, 2).astype(int)]
    return np.char.add(np.char.add(rows, " "), columns).astype("<U16")


def _distance(at: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Returns the distance of (N, 2) points to a segment."""
    along = end - start
    share = np.clip((at - start) @ along / max(float(along @ along), 1e-6), 0, 1)
    return np.linalg.norm(at - start - share[:, None] * along, axis=1)
