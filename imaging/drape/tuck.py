"""Thin strips of the person beside a garment: cloth reaches over them."""

import cv2
import numpy as np

from .. import masks, matting

# Torso lengths: half the width of a strip that no merchant would leave. An old strap is 4 cm wide.
STRIP = 0.03
# A strip is this many times longer than half its width; shorter bits are corners of bare skin.
LONG = 2.0
# Torso lengths below a waistband from which old clothes belong to the lower body.
INTO = 0.05
# Share of the torso, from the neck, that only a top covers; and torso lengths below the hips from
# which only what is worn below does. Between them a waistband lies somewhere.
CHEST, THIGHS = 0.6, 0.15
# Torso lengths: what is nearer to the garment than this touches it.
NEXT_TO = 0.02
# Steps of 8-bit Lab that count as one colour, and the share of a top that makes it one of its own.
BIN, PLENTY = 16, 0.05


def strips(alpha: np.ndarray, body: np.ndarray, kept: np.ndarray, torso: float) -> np.ndarray:
    """Finds strips of skin or old clothes between the garment's edge and the background.

    Args:
        alpha: (h, w) float32 in [0, 1], the garment on the person.
        body: (h, w) float32 in [0, 1], the person's silhouette.
        kept: (h, w) float32 in [0, 1], head, neck and hands.
        torso: Neck to hips in these pixels.

    Returns:
        (h, w) bool.
    """
    covered, person = alpha > 0.5, body > 0.5
    bare = person & ~covered
    radius = max(1, round(STRIP * torso))
    # Open around a strip lies the background, or the garment; what is wide is meant to show.
    solid = masks.grow(masks.shrink(bare, radius), radius + 1) & bare
    thin = (bare & ~solid & (kept < 0.1)).astype(np.uint8)
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(thin)
    pieces = np.asarray(pieces, np.int32)
    outside, cloth = masks.grow(~(person | covered), 2), masks.grow(covered, 2)
    found = np.zeros(count, bool)
    for number in range(1, count):
        x, y, width, height, _ = stats[number]
        local = (slice(y, y + height), slice(x, x + width))
        piece = pieces[local] == number
        long = np.hypot(width, height) > LONG * radius
        # Beside the garment all along, not a finger that begins at a cuff.
        beside = (piece & masks.grow(cloth[local], radius)).sum() > 0.7 * piece.sum()
        found[number] = long and beside and (piece & outside[local]).any()
    return found[pieces]


def over(color: np.ndarray, alpha: np.ndarray, strip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Extends the garment over strips beside it.

    Args:
        color: (H, W, 3) uint8, the garment on the person.
        alpha: (H, W) float32 in [0, 1].
        strip: (H, W) float32 in [0, 1], where `strips` lie, at this size.

    Returns:
        Colour and opacity with the strips covered by the nearest cloth.
    """
    box = masks.bounds(strip > 0)
    if box is None:
        return color, alpha
    margin = 8 * matting.band_px(*alpha.shape) + max(box.height, box.width) // 4
    window = (
        slice(max(0, box.top - margin), box.bottom + margin),
        slice(max(0, box.left - margin), box.right + margin),
    )
    part = alpha[window]
    if not (part > 0.9).any():
        return color, alpha
    extended, opaque = color.copy(), alpha.copy()
    wide = np.maximum(part, strip[window])
    nearest = matting.foreground(color[window], part)
    extended[window] = np.where((wide > part)[..., None], nearest, color[window])
    opaque[window] = wide
    return extended, opaque


def peeking(
    old: np.ndarray,
    cloth: np.ndarray,
    joints: dict[str, np.ndarray],
    region: str,
    photo: np.ndarray,
) -> np.ndarray:
    """Finds what of the person's old clothes looks out beside or under a garment.

    Args:
        old: (h, w) bool, the old clothes; also those of the other half of the body.
        cloth: (h, w) bool, the new garment.
        joints: Of the person, name to (2,) in these pixels.
        region: One of `parsing.REGIONS`: what the new garment covers.
        photo: (h, w, 3) uint8 sRGB, the person; tells a long top from trousers.

    Returns:
        (h, w) bool; pieces that touch the new garment.
    """
    neck, hip = joints["Neck"], (joints["RHip"] + joints["LHip"]) / 2
    torso = max(float(np.hypot(*(hip - neck))), 1.0)
    box = masks.bounds(cloth)
    if box is None:
        return np.zeros_like(old)
    part = np.zeros_like(old)
    if region == "lower":
        # A top over or in the waistband is another garment; trousers under a skirt are not.
        part[box.top + round(INTO * torso) :] = True
    else:
        waist = int(np.clip(round(hip[1]), 0, old.shape[0]))
        part[:waist] = True
        # Arms are now and then taken for sleeves; clothes on the trunk tell enough.
        ends = sorted((joints["RShoulder"][0], joints["LShoulder"][0]))
        low, high = (int(np.clip(round(x), 0, old.shape[1])) for x in ends)
        part[:, :low], part[:, high:] = False, False
        chest = int(np.clip(round(neck[1] + CHEST * (hip[1] - neck[1])), 0, waist))
        thighs = old[int(np.clip(round(hip[1] + THIGHS * torso), 0, old.shape[0])) :]
        tops = _like(photo, (old & part)[:chest], thighs)
        if region == "dress":
            tops[chest:] |= _like(photo, old & part)[chest:]
        part[chest:] = tops[chest:]
    visible = (old & ~cloth & part).astype(np.uint8)
    count, pieces = cv2.connectedComponents(visible)
    pieces = np.asarray(pieces, np.int32)
    touching = np.zeros(count, bool)
    touching[pieces[masks.grow(cloth, max(1, round(NEXT_TO * torso)))]] = True
    touching[0] = False
    return touching[pieces]


def _like(photo: np.ndarray, top: np.ndarray, lower: np.ndarray | None = None) -> np.ndarray:
    """Selects pixels, (h, w) bool, of the colours that a top has plenty of.

    Args:
        photo: (h, w, 3) uint8 sRGB.
        top: (n, w) bool, the top, in the photo's first rows.
        lower: (m, w) bool, what is worn below, in its last rows: colours that it has more of are
            not the top's.
    """
    lab = np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2LAB), np.int32) // BIN
    bins = (lab[..., 0] * BIN + lab[..., 1]) * BIN + lab[..., 2]
    shares = _shares(bins[: len(top)][top])
    plenty = shares > PLENTY
    if lower is not None:
        plenty &= shares >= _shares(bins[len(bins) - len(lower) :][lower])
    return plenty[bins]


def _shares(bins: np.ndarray) -> np.ndarray:
    return np.bincount(bins, minlength=BIN**3) / max(len(bins), 1)
