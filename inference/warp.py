"""The engine without weights: the garment's own pixels, laid onto the person's body points."""

from typing import NamedTuple

import cv2
import numpy as np

from ..imaging import cutout, masks, matting, pare, stitch
from ..imaging.drape import draping, inside, mesh, occlusion, placing, skinning, tuck
from ..imaging.drape.draping import Draping
from ..imaging.drape.placing import Photo, Place
from ..imaging.pose import Keypoint, Pose
from .engine import Progress, TryOnRequest, TryOnResult

# Pixels per pass over a huge person photo; bounds the memory of the lookup maps.
STRIP_PIXELS = 1 << 21
# A garment photo sharper than this many times the result is reduced first, against aliasing.
SPARE_SHARPNESS = 1.3
# Old clothes that may stay visible without a word, as a share of the new garment's area.
PEEKING = 0.02
# Share of the garment's area under which a hole in its mask is a fault of the mask.
PINHOLE = 0.003
# Kinds of photos whose garment hangs on arms and legs, seen or not.
FILLED = ("full", "headless", "ghost", "legs", "person")
STEPS = 4
UNUSED_HINTS = (
    "The warp engine does not use the hints: it draws no body. Disconnect them, or choose an "
    "engine that does."
)


class Cutout(NamedTuple):
    """The garment alone, cropped and at most as large as the result needs.

    Attributes:
        color: (h, w, 3) uint8, the garment's colours, extended past its edge.
        alpha: (h, w) float32 in [0, 1].
        behind: (h, w) float32 in [0, 1], cloth that lies behind the wearer's neck.
        mask: (h, w) bool.
        pose: In pixels of the cut-out.
        figure: (h, w) bool, the garment with its mannequin; None where that is not known.
        matrix: (2, 3) float64, from pixels of the cut-out to pixels of the garment photo.
    """

    color: np.ndarray
    alpha: np.ndarray
    behind: np.ndarray
    mask: np.ndarray
    pose: Pose
    figure: np.ndarray | None
    matrix: np.ndarray


class Warp:
    """Warps the garment's picture; deterministic, on the CPU, in about a second."""

    def run(self, request: TryOnRequest, progress: Progress) -> TryOnResult:
        """Paints the garment onto the person.

        Args:
            request: What to paint; the hints play no part here.
            progress: Told after each of 4 stages.

        Returns:
            The picture at the person's full size.

        Raises:
            ValueError: The garment mask is empty or of another size, or the garment would land
                outside of the person photo.

        Reference:
            Similarity: Umeyama 1991; torso: thin-plate spline, Bookstein 1989; limbs: linear
            blend skinning.
        """
        _check(request)
        request, warnings = facing(request)
        if request.hints is not None:
            warnings += (UNUSED_HINTS,)
        body = occlusion.body(request.person, request.person_parsing)
        place = _place(request, body)
        cutout = cut_out(request, place.matrix)
        progress(1, STEPS)
        draped = draping.drape(
            cutout.mask,
            cutout.pose,
            request.person_pose,
            region=request.region,
            body=body if request.by_outline else None,
            place=place._replace(matrix=_compose(place.matrix, cutout.matrix)),
            figure=cutout.figure,
            filled=_filled(request),
        )
        progress(2, STEPS)
        color, alpha = _painted(request, cutout, draped, body)
        if not (alpha > 0.5).any():
            raise ValueError(
                "the garment must land inside the person photo, got a place outside of it. "
                "Choose a person photo that shows the body part the garment covers, "
                "or correct the hints."
            )
        progress(3, STEPS)
        allowed = request.repaint_mask
        if allowed is not None:
            alpha = alpha * allowed
        shadow = occlusion.shadow(alpha, request.person_pose, body)
        if allowed is not None:
            shadow = shadow * allowed
        shaded = stitch.stitch(request.person, np.zeros_like(request.person), shadow)
        image = stitch.stitch(shaded, color, alpha)
        progress(4, STEPS)
        warnings += _peeking(request, alpha)
        return TryOnResult(image, np.maximum(alpha, shadow), alpha, warnings)


def make() -> Warp:
    """Returns the engine."""
    return Warp()


def cut_out(request: TryOnRequest, matrix: np.ndarray | None = None) -> Cutout:
    """Crops, reduces and mattes the garment; `matrix` leads from its photo to the person's."""
    pose, shape = request.garment_pose, request.garment_mask.shape
    mask = request.garment_mask
    whole = cutout.without_crumbs(mask & ~pare.backdrop(request.garment, mask, ~mask))
    box = masks.bounds(whole) or masks.Bounds(0, 0, *shape)
    margin = 4 * matting.band_px(*shape)
    top, left = max(0, box.top - margin), max(0, box.left - margin)
    window = (slice(top, box.bottom + margin), slice(left, box.right + margin))
    image, mask = request.garment[window], _without_pinholes(whole[window])
    if matrix is None:
        matrix = placing.align(pose, request.person_pose, request.region)
    factor = min(1.0, SPARE_SHARPNESS * float(np.hypot(matrix[0, 0], matrix[1, 0])))
    if factor < 1:
        # Never to nothing: two pixels carry a mesh.
        size = tuple(max(2, round(length * factor)) for length in (image.shape[1], image.shape[0]))
        small = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
        if small.any():
            image, mask = cv2.resize(image, size, interpolation=cv2.INTER_AREA), small
    ratio = mask.shape[1] / len(range(*window[1].indices(request.garment.shape[1])))
    ratio_y = mask.shape[0] / len(range(*window[0].indices(request.garment.shape[0])))
    moved = {
        name: Keypoint(
            (p.x - left + 0.5) * ratio - 0.5, (p.y - top + 0.5) * ratio_y - 0.5, p.confidence
        )
        for name, p in pose.keypoints.items()
    }
    back = np.array(
        [
            [1 / ratio, 0, left - 0.5 + 0.5 / ratio],
            [0, 1 / ratio_y, top - 0.5 + 0.5 / ratio_y],
        ]
    )
    local = Pose(mask.shape[0], mask.shape[1], moved)
    hole = inside.find(mask)
    soft = matting.band_px(*mask.shape) + 1  # As far as the matte spreads the opening's edge.
    alpha = matting.alpha(image, mask | hole)
    behind = (occlusion.behind_neck(mask, local) | masks.grow(hole, soft)).astype(np.float32)
    color = matting.foreground(inside.fill(image, mask, hole), alpha)
    return Cutout(color, alpha, behind, mask, local, _figure(request, window, mask), back)


def _filled(request: TryOnRequest) -> bool | None:
    """Whether arms and legs filled the garment; None where the kind of its photo is not known."""
    parsing = request.garment_parsing
    return None if parsing is None or parsing.kind == "unknown" else parsing.kind in FILLED


def _figure(
    request: TryOnRequest, window: tuple[slice, slice], mask: np.ndarray
) -> np.ndarray | None:
    """The garment with its mannequin, in pixels of the cut-out."""
    parsing = request.garment_parsing
    if parsing is None or not parsing.mannequin.any():
        return None
    wearer = np.uint8(255) * parsing.mannequin[window]
    size = mask.shape[1], mask.shape[0]
    return mask | (cv2.resize(wearer, size, interpolation=cv2.INTER_AREA) > 127)


def _place(request: TryOnRequest, body: np.ndarray | None) -> Place:
    """Finds where the garment comes to lie; a pose of the user's own is followed to the letter."""
    if not request.by_outline:
        matrix = placing.align(request.garment_pose, request.person_pose, request.region)
        return Place(matrix, False)
    return placing.place(
        Photo(request.garment, request.garment_pose, request.garment_parsing),
        Photo(request.person, request.person_pose, request.person_parsing),
        request.region,
        body,
    )


def _compose(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Returns the (2, 3) map that applies `first`, then `second`."""
    return second @ np.vstack([first, (0, 0, 1)])


def _without_pinholes(mask: np.ndarray) -> np.ndarray:
    """Closes what is too small for an opening of a garment: gaps of its parsing."""
    holes = (masks.fill_holes(mask) & ~mask).astype(np.uint8)
    _, regions, stats, _ = cv2.connectedComponentsWithStats(holes)
    small = stats[:, cv2.CC_STAT_AREA] < PINHOLE * mask.sum()
    small[0] = False
    return mask | small[regions]


def _check(request: TryOnRequest) -> None:
    if request.garment_mask.shape != request.garment.shape[:2]:
        raise ValueError(
            f"garment mask must be {request.garment.shape[0]}x{request.garment.shape[1]} like "
            f"garment, got {'x'.join(map(str, request.garment_mask.shape))}. "
            "Connect the mask of the same photo."
        )
    if not request.garment_mask.any():
        raise ValueError(
            "garment mask must select the garment, got an empty mask. "
            "Parse the garment photo first, or paint the mask by hand."
        )
    if request.repaint_mask is not None and request.repaint_mask.shape != request.person.shape[:2]:
        raise ValueError(
            f"repaint mask must be {request.person.shape[0]}x{request.person.shape[1]} like "
            f"person, got {'x'.join(map(str, request.repaint_mask.shape))}. "
            "Connect a mask made for the person photo."
        )


def facing(request: TryOnRequest) -> tuple[TryOnRequest, tuple[str, ...]]:
    """Pairs left with right where one photo shows the front and the other the back."""
    garment, person = (
        skinning.point(pose, "RShoulder")[0] - skinning.point(pose, "LShoulder")[0]
        for pose in (request.garment_pose, request.person_pose)
    )
    if garment * person >= 0:
        return request, ()
    warning = (
        "The garment and the person face different ways: one photo shows the front, the other "
        "the back. Choose photos of the same side."
    )
    return request._replace(garment_pose=skinning.mirrored(request.garment_pose)), (warning,)


def _painted(
    request: TryOnRequest, cutout: Cutout, draped: Draping, body: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Draws the layers at the person's size: colour and opacity."""
    height, width = request.person.shape[:2]
    color = np.zeros((height, width, 3), np.uint8)
    alpha = np.zeros((height, width), np.float32)
    reached = np.concatenate([layer.moved[layer.mesh.triangles.ravel()] for layer in draped.layers])
    low, high = reached.min(0), reached.max(0)
    first, last = (int(np.clip(value, 0, height)) for value in (low[1], high[1] + 2))
    left, right = (int(np.clip(value, 0, width)) for value in (low[0], high[0] + 2))
    if first >= last or left >= right:
        return color, alpha
    front = occlusion.front(
        request.person_pose, (height, width), request.region, body, request.person_parsing
    )
    rows = max(16, STRIP_PIXELS // (right - left))
    for top in range(first, last, rows):
        window = (slice(top, min(last, top + rows)), slice(left, right))
        behind = _paint_strip(cutout, draped, color[window], alpha[window], (top, left))
        always, neck = (occlusion.enlarged(zone, (height, width), window) for zone in front)
        alpha[window] *= 1 - np.maximum(always, behind * neck)
    if body is None or request.person_parsing is None or not request.by_outline:
        return color, alpha
    return _tucked(request, color, alpha, front[0], body)


def _tucked(
    request: TryOnRequest, color: np.ndarray, alpha: np.ndarray, kept: np.ndarray, body: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Covers thin strips of the person between the garment and the background."""
    size = (alpha.shape[0], alpha.shape[1])
    scale, shape = occlusion.reduced(size)
    small = cv2.resize(alpha, shape[::-1], interpolation=cv2.INTER_AREA)
    neck, hip = skinning.spine(request.person_pose)
    strips = tuck.strips(small, body, kept, float(np.hypot(*(hip - neck))) * scale)
    if not strips.any():
        return color, alpha
    # Out to the silhouette's own soft edge, and never beyond it.
    soft = np.minimum(masks.grow(strips, 2), body).astype(np.float32)
    soft = cv2.resize(soft, size[::-1], interpolation=cv2.INTER_LINEAR)
    return tuck.over(color, alpha, soft)


def _paint_strip(
    cutout: Cutout,
    draped: Draping,
    color: np.ndarray,
    alpha: np.ndarray,
    corner: tuple[int, int],
) -> np.ndarray:
    """Fills a strip of colour and opacity in place; returns how much of it lies behind the neck."""
    height, width = alpha.shape
    behind = np.zeros_like(alpha)
    for layer in draped.layers:
        moved = layer.moved - (corner[1], 0)
        source = mesh.sources(layer.mesh, moved, corner[0], height, width)
        over = _look_up(cutout.alpha * layer.visible, source)
        drawn = over > 0
        if not drawn.any():
            continue
        top = cv2.remap(cutout.color, source[..., 0], source[..., 1], cv2.INTER_CUBIC)
        # Colours are not premultiplied: a layer over nothing keeps its own at every opacity.
        share, empty = over[..., None], (alpha == 0)[..., None]
        mixed = color * (1 - share) + top * share
        color[drawn] = np.where(empty, top, np.rint(mixed).astype(np.uint8))[drawn]
        behind[drawn] = _look_up(cutout.behind, source)[drawn]
        alpha[drawn] = (over + alpha * (1 - over))[drawn]
    return behind


def _look_up(values: np.ndarray, source: np.ndarray) -> np.ndarray:
    return cv2.remap(values, source[..., 0], source[..., 1], cv2.INTER_LINEAR)


def _peeking(request: TryOnRequest, alpha: np.ndarray) -> tuple[str, ...]:
    """Warns where the person's old garment looks out from under the new one."""
    parsing = request.person_parsing
    if parsing is None or not parsing.garment.any():
        return ()
    scale, shape = occlusion.reduced(parsing.size)
    cloth, old = (
        cv2.resize(part.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA) > 0.5
        for part in (alpha, parsing.garment)
    )
    pose = request.person_pose
    joints = {name: skinning.point(pose, name) * scale for name in pose.keypoints}
    photo = cv2.resize(request.person, shape[::-1], interpolation=cv2.INTER_AREA)
    seen = tuck.peeking(old, cloth, joints, request.region, photo)
    share = float(seen.sum() / max(int(cloth.sum()), 1))
    if share <= PEEKING:
        return ()
    return (
        f"The person's own clothes stay visible beside the new garment ({share:.0%} of its area): "
        "the warp engine cannot paint skin. Choose a person in less or closer clothing, "
        "or another engine.",
    )
