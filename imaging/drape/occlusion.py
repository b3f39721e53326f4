"""What of a person stays in front of a garment, and the shadow that the garment leaves."""

import cv2
import numpy as np

from .. import masks
from ..parsing import Parsing
from ..pose import Pose
from . import skinning

# Long side at which these soft maps are drawn; they hold nothing finer than a finger.
LONG_SIDE = 1024
# Colour distance in Lab that a plain backdrop keeps to itself: shading of paper, JPEG, noise.
PLAIN = 5.0
# Depth of the contact shadow; a softbox leaves about this much under a hem.
SHADOW = 0.32
# Reach and drop of the shadow, in torso lengths (neck to hips): cloth hangs 1 cm off a 55 cm torso.
SHADOW_REACH, SHADOW_DROP = 0.022, 0.014
# Thickness of body parts in torso lengths, a little under the real: shadows must stay on skin.
LIMB_WIDTHS = {"arm": 0.15, "leg": 0.24, "neck": 0.18}


def body(person: np.ndarray, parsing: Parsing | None = None) -> np.ndarray | None:
    """Finds the person's silhouette, reduced to LONG_SIDE.

    Args:
        person: (H, W, 3) uint8 sRGB.
        parsing: Of the person, which says it best. Without it a plain backdrop does.

    Returns:
        (h, w) float32 in [0, 1]; None where neither tells.
    """
    _, shape = reduced((person.shape[0], person.shape[1]))
    if parsing is not None and (parsing.mannequin | parsing.garment).any():
        inside = parsing.mannequin | parsing.garment | parsing.interior
        return cv2.resize(inside.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA)
    small = cv2.resize(person, shape[::-1], interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    # The upper half of the sides and the top: below, legs and floor reach the frame.
    edge, half = max(1, shape[1] // 50), max(1, shape[0] // 2)
    parts = (lab[:half, :edge], lab[:half, -edge:], lab[:edge])
    frame = np.concatenate([part.reshape(-1, 3) for part in parts])
    backdrop = np.median(frame, axis=0)
    away = np.linalg.norm(lab - backdrop, axis=-1)
    if np.percentile(np.linalg.norm(frame - backdrop, axis=-1), 80) > PLAIN:
        return None
    found = masks.fill_holes(masks.largest(away > 1.5 * PLAIN))
    return _soft(found.astype(np.uint8) * 255, 0.8)


def front(
    pose: Pose,
    size: tuple[int, int],
    region: str,
    body: np.ndarray | None = None,
    parsing: Parsing | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws what hides cloth: the face and hands always, the body only cloth behind it.

    Args:
        pose: Of the person, in pixels of its photo.
        size: Height and width of that photo.
        region: One of `parsing.REGIONS`; over a skirt the whole forearm may lie.
        body: Silhouette as `body` returns it; without it a neck is drawn from its bones.
        parsing: Of the person; without it hands are not protected, as nothing tells them
            from a sleeve.

    Returns:
        Two (h, w) float32 maps in [0, 1], reduced to LONG_SIDE; `enlarged` brings them back.
    """
    scale, shape = reduced(size)
    always, neck_zone = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    nose, neck = (skinning.point(pose, name) * scale for name in ("Nose", "Neck"))
    down = neck - nose
    # In units of nose to neck: the chin lies 0.4 below the nose, the crown 0.9 above it.
    length = float(np.hypot(*down))
    angle = float(np.degrees(np.arctan2(down[1], down[0])))
    centre = nose - 0.25 * down
    axes = (max(1, round(0.63 * length)), max(1, round(0.42 * length)))
    cv2.ellipse(always, _pixel(centre), axes, angle, 0, 360, 255, -1)
    width = max(1, round(0.6 * length))
    cv2.line(neck_zone, _pixel(nose), _pixel(nose + 0.9 * down), 255, width)
    if parsing is not None:
        hands = _hands(pose, shape, scale, region)
        skin = parsing.mannequin.astype(np.uint8) * 255
        skin = cv2.resize(skin, shape[::-1], interpolation=cv2.INTER_AREA)
        always = np.maximum(always, np.minimum(hands, skin))
    blur = max(0.8, 0.01 * length)
    if body is None:
        return _soft(always, blur), _soft(neck_zone, blur)
    # Half a pixel inside: the silhouette's own edge is mixed with the old backdrop.
    return _soft(always, blur), np.clip(2 * body - 1, 0, 1)


def enlarged(zone: np.ndarray, size: tuple[int, int], window: tuple[slice, slice]) -> np.ndarray:
    """Returns one window of a reduced map at the photo's full size."""
    height, width = window[0].stop - window[0].start, window[1].stop - window[1].start
    scale = np.array([zone.shape[1] / size[1], zone.shape[0] / size[0]])
    corner = np.array([window[1].start, window[0].start])
    shift = (corner + 0.5) * scale - 0.5
    matrix = np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        zone, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )


def behind_neck(mask: np.ndarray, pose: Pose) -> np.ndarray:
    """Finds cloth that lies behind the wearer's neck: the back of a collar or hood.

    Args:
        mask: (H, W) bool, the garment.
        pose: In the same pixels.

    Returns:
        (H, W) bool; cloth with the neck's opening below it in the same column.
    """
    neck, hip = skinning.spine(pose)
    torso = float(np.hypot(*(hip - neck)))
    last = int(np.clip(neck[1] + 0.45 * torso, 0, mask.shape[0]))
    reach = 0.28 * torso  # Half of a wide neckline.
    left, right = (int(np.clip(x, 0, mask.shape[1])) for x in (neck[0] - reach, neck[0] + reach))
    found = np.zeros_like(mask)
    part = mask[:last, left:right]
    if not part.size:
        return found
    upward = part[::-1]
    closed = np.logical_or.accumulate(upward, 0)
    opening = np.logical_or.accumulate(~upward & closed, 0)
    found[:last, left:right] = (upward & opening)[::-1]
    return found


def shadow(alpha: np.ndarray, pose: Pose, body: np.ndarray | None = None) -> np.ndarray:
    """Draws the soft shadow of a garment on the body around it.

    Args:
        alpha: (H, W) float32, opacity of the garment on the person.
        pose: Of the person.
        body: Silhouette as `body` returns it; without it the bones say where skin is.

    Returns:
        (H, W) float32 in [0, SHADOW], the share of light lost; 0 away from the edges.
    """
    size = (alpha.shape[0], alpha.shape[1])
    scale, shape = reduced(size)
    neck, hip = skinning.spine(pose)
    torso = max(float(np.hypot(*(hip - neck))) * scale, 1.0)
    cloth = cv2.resize(alpha, shape[::-1], interpolation=cv2.INTER_AREA)
    drop = np.array([[1, 0, 0], [0, 1, SHADOW_DROP * torso]], np.float64)
    fallen = cv2.warpAffine(cloth, drop, shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    fallen = cv2.GaussianBlur(fallen, (0, 0), max(0.8, SHADOW_REACH * torso))
    if body is None:
        body = _soft(_bones(pose, shape, scale, torso), max(0.8, 0.02 * torso))
    lost = SHADOW * fallen * body
    lost = cv2.resize(lost, size[::-1], interpolation=cv2.INTER_LINEAR)
    # Under half a grey level nothing can change: leave those pixels out of the repainted mask.
    return np.where(lost < 0.5 / 255, 0, lost).astype(np.float32)


def _bones(pose: Pose, shape: tuple[int, int], scale: float, torso: float) -> np.ndarray:
    """Draws the body as thick bones."""
    drawn = np.zeros(shape, np.uint8)

    def at(name: str) -> tuple[int, int]:
        return _pixel(skinning.point(pose, name) * scale)

    for kind, chains in (("arm", skinning.ARMS), ("leg", skinning.LEGS)):
        for root, middle, end in chains:
            for start, stop in ((root, middle), (middle, end)):
                cv2.line(drawn, at(start), at(stop), 255, max(1, round(LIMB_WIDTHS[kind] * torso)))
    cv2.line(drawn, at("Nose"), at("Neck"), 255, max(1, round(LIMB_WIDTHS["neck"] * torso)))
    corners = [at(name) for name in ("RShoulder", "LShoulder", "LHip", "RHip")]
    cv2.fillConvexPoly(drawn, cv2.convexHull(np.array(corners, np.int32)), 255)
    return drawn


def _hands(pose: Pose, shape: tuple[int, int], scale: float, region: str) -> np.ndarray:
    drawn = np.zeros(shape, np.uint8)
    for _, middle, end in skinning.ARMS:
        elbow, wrist = (skinning.point(pose, name) * scale for name in (middle, end))
        along = wrist - elbow
        # The line's round end reaches back by half its thickness, just to the cuff.
        start = elbow if region == "lower" else wrist + 0.4 * along
        thickness = max(1, round(0.6 * float(np.hypot(*along))))
        cv2.line(drawn, _pixel(start), _pixel(wrist + 0.6 * along), 255, thickness)
    return drawn


def reduced(size: tuple[int, int]) -> tuple[float, tuple[int, int]]:
    """Returns the scale and the size of the soft maps for a photo of this height and width."""
    scale = min(1.0, LONG_SIDE / max(size))
    return scale, (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))


def _soft(mask: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), sigma)


def _pixel(position: np.ndarray) -> tuple[int, int]:
    # Joints may lie far outside of the photo; OpenCV draws with 16-bit care.
    x, y = np.rint(np.clip(position, -16000, 16000)).astype(int)
    return int(x), int(y)
