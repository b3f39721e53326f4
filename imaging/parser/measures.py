"""Named measurements of a label map: how garment, mannequin and support lie about each other."""

import cv2
import numpy as np

from .. import labels, masks

# Bands of the garment's height, of which the width is measured.
PROFILE = (0.04, 0.12, 0.22, 0.35, 0.5, 0.65, 0.8, 0.95)
# Logarithms of shares and areas start here, so that nothing is not minus infinity.
LEAST = 0.01
# Lengths beyond this many waists say no more.
FAR = 3.0


def measure(label_map: np.ndarray) -> dict[str, float]:
    """Measures the shapes of a label map; the mirrored map gives the same numbers.

    Lengths are in widths of the garment's waist, areas in squared waists, sides of the picture are
    not told apart.

    Args:
        label_map: (H, W) uint8.

    Returns:
        Measurements by name; empty where no garment is labelled.
    """
    garment = masks.largest(label_map == labels.GARMENT)
    box = masks.bounds(garment)
    if box is None:
        return {}
    waist = max(_middle_width(garment, box), 2.0)
    found = _extent(label_map, garment, box, waist)
    found |= _profile(garment, box, waist)
    found |= _above(label_map, box, waist)
    found |= _beside(label_map, garment, box, waist)
    found |= _below(label_map, box, waist)
    found |= _neckline(label_map, garment, box, waist)
    found |= _turn(label_map, garment, box, waist)
    return {name: float(value) for name, value in found.items()}


def _log(value: float) -> float:
    return float(np.log(value + LEAST))


def _extent(label_map, garment, box: masks.Bounds, waist: float) -> dict[str, float]:
    height, width = label_map.shape
    mannequin, support = label_map == labels.MANNEQUIN, label_map == labels.SUPPORT
    mass = garment.sum() + mannequin.sum() + support.sum()
    fifth = box.top + box.height // 5
    interior = label_map == labels.INTERIOR
    return {
        "height": np.log(box.height / waist),
        "width": np.log(box.width / waist),
        "aspect": np.log(box.height / box.width),
        "fill": garment.sum() / (box.height * box.width),
        "photo_share": _log(box.height / height),
        "mannequin": _log(mannequin.sum() / mass),
        "support_above": _log(support[:fifth].sum() / waist**2),
        "support_below": _log(support[fifth:].sum() / waist**2),
        "interior_above": _log(interior[:fifth].sum() / waist**2),
        "interior_below": _log(interior[fifth:].sum() / waist**2),
        "cut_below": box.bottom > height - 3,
        "cut_above": box.top < 3,
        "cut_beside": box.left < 3 or box.right > width - 3,
    }


def _profile(garment, box: masks.Bounds, waist: float) -> dict[str, float]:
    """Widths of the garment at several heights, and how many low rows fall into two runs."""
    rows = garment[box.top : box.bottom]
    found = {}
    for share in PROFILE:
        first = int(max(0.0, share - 0.03) * len(rows))
        band = rows[first : first + max(1, round(0.06 * len(rows)))]
        found[f"width_{round(100 * share)}"] = np.log(max(np.median(band.sum(1)), 1) / waist)
    low = rows[2 * len(rows) // 3 :].astype(np.int8)
    found["forked"] = ((np.diff(low, axis=1, prepend=0) == 1).sum(1) == 2).mean()
    # Rows above the middle that fall apart: straps, and sleeves that leave gaps.
    high = rows[: len(rows) // 8 + 1].astype(np.int8)
    found["strapped"] = ((np.diff(high, axis=1, prepend=0) == 1).sum(1) >= 2).mean()
    return found


def _above(label_map, box: masks.Bounds, waist: float) -> dict[str, float]:
    """The mannequin above the garment: nothing, a neck, a head, or a trunk."""
    above = (label_map == labels.MANNEQUIN)[: box.top + max(1, box.height // 50)]
    widths = above.sum(1)
    rows = np.flatnonzero(widths > 0.08 * waist)
    rise = (box.top - rows[0]) / waist if len(rows) else 0.0
    joint = np.median(widths[-max(2, box.height // 15) :]) if len(widths) else 0.0
    return {
        "rise": np.clip(rise, 0, FAR),
        "joint": min(joint / waist, FAR),
        "area_above": _log(widths.sum() / waist**2),
        "wide_above": min((widths.max() if len(widths) else 0) / waist, FAR),
        "neck": _neck(widths),
        "cut_head": bool(len(rows)) and rows[0] < 3,
    }


def _neck(widths: np.ndarray) -> float:
    """Compares the narrowest row under the head with the head; 1 where there is no head."""
    smooth = cv2.blur(widths.astype(np.float32)[:, None], (1, 5))[:, 0]
    rows = np.flatnonzero(smooth > 0)
    if len(rows) < 8:
        return 1.0
    smooth = smooth[rows[0] : rows[-1] + 1]
    before = np.maximum.accumulate(smooth)
    after = np.maximum.accumulate(smooth[::-1])[::-1]
    return float((smooth / np.maximum(np.minimum(before, after), 1)).min())


def _beside(label_map, garment, box: masks.Bounds, waist: float) -> dict[str, float]:
    """The mannequin left and right of the garment: arms, hands or stumps."""
    mannequin = label_map == labels.MANNEQUIN
    columns = np.arange(label_map.shape[1])
    off = columns - _axis(garment, box)
    hands = box.top + round(0.9 * waist)
    bottom = max(box.bottom, hands + round(0.7 * waist))
    high, low = mannequin[box.top : hands], mannequin[hands:bottom]
    sides = [off < -0.6 * waist, off > 0.6 * waist]
    upper, lower = ([part[:, side].sum() / waist**2 for side in sides] for part in (high, low))
    below = mannequin[hands:].any(1)
    return {
        "arms_high": _log(sum(upper)),
        "arms_low": _log(sum(lower)),
        "arms_both": _log(min(lower)),
        "arms_reach": min(
            (mannequin[hands:][:, sides[0] | sides[1]].any(1).sum() if below.any() else 0) / waist,
            FAR,
        ),
    }


def _below(label_map, box: masks.Bounds, waist: float) -> dict[str, float]:
    """The mannequin below the garment: nothing, a cap, or legs."""
    mannequin = (label_map == labels.MANNEQUIN)[max(box.top, box.bottom - box.height // 30) :]
    support = (label_map == labels.SUPPORT)[box.bottom :]
    widths = mannequin.sum(1)
    rows = np.flatnonzero(widths > 0.05 * waist)
    runs = (np.diff(mannequin[rows].astype(np.int8), axis=1, prepend=0) == 1).sum(1)
    pole = support.sum(1)
    return {
        "drop": min(len(rows) / waist, FAR),
        "area_below": _log(widths.sum() / waist**2),
        "wide_below": min(float(np.median(widths[rows])) / waist, FAR) if len(rows) else 0.0,
        "two_legs": float((runs == 2).mean()) if len(rows) else 0.0,
        "pole": min((pole > 0).sum() / waist, FAR),
        "base": min((pole.max() if len(pole) else 0) / waist, FAR),
        "space_below": min((label_map.shape[0] - box.bottom) / waist, FAR),
    }


def _neckline(label_map, garment, box: masks.Bounds, waist: float) -> dict[str, float]:
    """How the upper edge runs: flat at a waistband, dipping at a front, high at a back."""
    axis = _neck_axis(label_map, garment, box, waist)
    edge = garment.argmax(0).astype(float)
    edge[~garment.any(0)] = np.nan

    def height(first: float, last: float) -> float:
        """Median row of the edge between two distances from the axis, over both sides."""
        off = np.abs(np.arange(len(edge)) - axis) / waist
        part = edge[(off >= first) & (off <= last) & ~np.isnan(edge)]
        return float(np.median(part)) if len(part) else float(box.top)

    middle = height(0, 0.08)
    near, far = height(0.15, 0.3), height(0.35, 0.5)
    central = np.abs(np.arange(len(edge)) - axis) < 0.3 * waist
    zone = label_map[box.top : box.top + max(1, round(0.8 * waist)), central]
    inner = edge[(np.abs(np.arange(len(edge)) - axis) < 0.45 * waist) & ~np.isnan(edge)]
    spread = (np.quantile(inner, 0.8) - np.quantile(inner, 0.1)) / waist if len(inner) else 0.0
    return {
        "dip": np.clip((middle - box.top) / waist, 0, 1.5),
        "dip_near": np.clip((middle - near) / waist, -1, 1),
        "dip_far": np.clip((near - far) / waist, -1, 1),
        "flat": np.log(spread + 0.02),
        "skin_in_neck": _log((zone == labels.MANNEQUIN).sum() / waist**2),
        "interior_in_neck": _log((zone == labels.INTERIOR).sum() / waist**2),
        "cloth_in_neck": (zone == labels.GARMENT).mean() if zone.size else 0.0,
    }


def _turn(label_map, garment, box: masks.Bounds, waist: float) -> dict[str, float]:
    """How unlike the two sides are: large where the figure is turned."""
    rows = garment[box.top : box.bottom]
    axis = _neck_axis(label_map, garment, box, waist)
    found = {}
    for name, first, last in (("chest", 0.12, 0.35), ("belly", 0.4, 0.6), ("hem", 0.75, 0.98)):
        band = rows[int(first * len(rows)) : int(last * len(rows)) + 1]
        middle = [_run_middle(row, axis) for row in band if row.any()]
        found[f"off_{name}"] = min(abs(np.median(middle) - axis) / waist, 1) if middle else 0.0
    flipped = garment[box.top : box.bottom, box.left : box.right]
    found["unlike"] = (flipped != flipped[:, ::-1]).mean()
    columns = np.arange(label_map.shape[1]) - axis
    edge = np.where(garment.any(0), garment.argmax(0), np.nan)
    heights = []
    for side in (-1, 1):
        off = side * columns / waist
        part = edge[(off > 0.2) & (off < 0.5) & ~np.isnan(edge)]
        heights.append(np.median(part) if len(part) else np.nan)
    gap = abs(heights[0] - heights[1]) / waist
    found["shoulders"] = 0.0 if np.isnan(gap) else min(gap, 1.0)
    skin = label_map == labels.MANNEQUIN
    left, right = (skin[:, side * columns > 0.5 * waist].sum() / waist**2 for side in (-1, 1))
    found["arms_unlike"] = abs(_log(left) - _log(right))
    cloth = [garment[:, side * columns > 0].sum() / waist**2 for side in (-1, 1)]
    found["cloth_unlike"] = abs(np.log((cloth[0] + 0.1) / (cloth[1] + 0.1)))
    return found


def _run_middle(row: np.ndarray, axis: float) -> float:
    """Middle of the longest run of a row."""
    edges = np.flatnonzero(np.diff(np.pad(row.astype(np.int8), 1)))
    first, last = edges[::2], edges[1::2]
    longest = int(np.argmax(last - first))
    return (first[longest] + last[longest] - 1) / 2


def _axis(garment: np.ndarray, box: masks.Bounds) -> float:
    """Column of the garment's middle: of its central rows, which sleeves disturb least."""
    band = garment[box.top + box.height // 3 : box.bottom - box.height // 4]
    columns = np.nonzero(band)[1]
    return float(np.median(columns)) if len(columns) else (box.left + box.right) / 2


def _neck_axis(label_map, garment, box: masks.Bounds, waist: float) -> float:
    """Column of the neck: of the mannequin about the upper edge, else of the garment there."""
    top = max(0, box.top - round(0.25 * waist))
    near = label_map[top : box.top + round(0.15 * waist) + 1]
    middle = _axis(garment, box)
    reach = np.abs(np.arange(label_map.shape[1]) - middle) < 0.7 * waist
    columns = np.nonzero(((near == labels.MANNEQUIN) | (near == labels.INTERIOR)) & reach)[1]
    if len(columns) > 0.02 * waist**2:
        return float(np.median(columns))
    columns = np.nonzero(garment[box.top : box.top + max(2, round(0.15 * waist))])[1]
    return float((columns.min() + columns.max()) / 2) if len(columns) else middle


def _middle_width(garment: np.ndarray, box: masks.Bounds) -> float:
    """The narrowest that the garment's longest run gets about its middle height."""
    first = box.top + box.height // 5
    band = garment[first : max(first + 1, box.top + 3 * box.height // 5)]
    padded = np.pad(band.astype(np.int8), ((0, 0), (1, 1)))
    longest = []
    for row in padded:
        edges = np.flatnonzero(np.diff(row))
        longest.append(max(edges[1::2] - edges[::2], default=0))
    return float(np.quantile(longest, 0.1))
