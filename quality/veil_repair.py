"""Takes a measured veil out of a picture again, and measures that it is gone."""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from . import alignment, veil
from .measure import Measure, require_mask

SCHEMA = "dressform.veil_repair/1"
LEAST_VEIL = 0.04  # harmless changes measure 3.6 % at most; less is left alone
LOCAL_GAIN = 0.01  # so much better must a veil by place be than a uniform one, being less certain
MOST_VEIL = 0.6  # beyond, the levels that are left make bands: 100 of 255 and fewer
TOE = 0.03  # of the range at each end; bent where a straight line would cut levels off
# One and a half levels of 8 bits: what was neither black nor white does not round to either.
DARKEST, BRIGHTEST = 1.5 / 255, 253.5 / 255
FEATHER_PX = 2.0  # the ramp at the mask's border, inside of it: an edge's own width
MAP_SIGMA_PX = 18.0  # near half a tile: no edge of a tile shows, and a veil that ends is followed
COARSE = 8  # so many times smaller is the copy on which the map is smoothed
FAR, FAINT = 1e-2, 1e-5  # weights of tiles farther off and of the whole garment's veil
MIN_KNOWN = 0.2  # share of the garment that tiles must tell about, for a veil by place
WORST_PLACE = 0.95  # quantile of the tile map


class Proof(NamedTuple):
    """What is measured of the garment in one picture.

    Attributes:
        veil: `veil.measure`.
        over: The same the other way round: how much too clear the picture is, 0 to 1.
        black, white: Shares of the garment's pixels with a channel at 0 or at 255 of 8 bits.
    """

    veil: Measure
    over: float
    black: float
    white: float

    @property
    def left(self) -> float:
        """How far from right the picture is, 0 to 1; by place where places are known."""
        return _mean(self.veil) + self.over

    @property
    def worst_place(self) -> float | None:
        """The veil of the worst twentieth of the garment; None without a map."""
        if self.veil.local is None or np.isnan(self.veil.local).all():
            return None
        return float(np.nanquantile(self.veil.local, WORST_PLACE))


class Repair(NamedTuple):
    """A picture without its veil, and the proof.

    Attributes:
        image: (H, W, 3) float32 in [0, 1]; the very picture where nothing was to be done.
        before, after: Of the picture and of `image`.
        method: `uniform`, `local`, or `none` where the picture is returned as it came.
        sentence: What was done, for people.
    """

    image: np.ndarray
    before: Proof
    after: Proof
    method: str
    sentence: str


def repair(
    picture: np.ndarray,
    source: np.ndarray,
    garment: np.ndarray,
    source_garment: np.ndarray,
    *,
    area: np.ndarray | None = None,
    amount: float = 1.0,
) -> Repair:
    """Removes the veil that a picture has and its source has not.

    A veil of strength v turns x into x (1 - v) + 0.88 v; this is undone where the area is. Only
    the veil is undone, not a change of exposure that the measured line shows as well. Where both
    pictures correspond pixel by pixel, a veil that lies on a part of the garment is followed too;
    of the two ways the one that leaves less of it is taken.

    Args:
        picture: (H, W, 3) float32 in [0, 1], sRGB.
        source: (H', W', 3) uint8 sRGB, without the veil.
        garment: (H, W) bool, where it is measured.
        source_garment: (H', W') bool.
        area: (H, W) float32 in [0, 1], where the veil is removed. None: the garment, with a
            ramp of FEATHER_PX inside its border. Pixels at 0 stay bit-identical.
        amount: Share of the veil to remove, 0 to 1.

    Raises:
        ValueError: sizes or types are wrong, or the veil cannot be measured.
    """
    require_mask("garment", garment, picture)
    if area is None:
        area = inward(garment)
    elif area.shape != garment.shape:
        raise ValueError(
            f"area must be {garment.shape[0]}x{garment.shape[1]} like the picture, got "
            f"{area.shape[0]}x{area.shape[1]}. Pass the mask of the same picture."
        )
    before = prove(picture, source, garment, source_garment)
    if before.veil.value is None:
        raise ValueError(
            f"a veil that can be measured is required, got none: {before.veil.reason} "
            "Connect the photo of the same garment and its mask, with light and dark parts in it."
        )
    best = None
    for method, strength in _ways(before.veil, garment):
        image = lifted(picture, amount * strength * area)
        after = prove(image, source, garment, source_garment)
        if best is None or after.left < best.after.left - LOCAL_GAIN:
            best = Repair(image, before, after, method, _told(before, after))
    if best is not None and amount > 0 and best.after.left < before.left:
        return best
    sentence = f"The veil is {before.veil.value:.1%}: nothing to repair."
    if before.veil.value >= LEAST_VEIL:
        sentence = (
            f"The veil of {before.veil.value:.1%} cannot be told well enough to be taken off: the "
            "picture stays as it is. Make it again."
        )
    return Repair(picture, before, before, "none", sentence)


def prove(
    picture: np.ndarray, source: np.ndarray, garment: np.ndarray, source_garment: np.ndarray
) -> Proof:
    """Measures the veil both ways and what is cut off; arguments as of `repair`."""
    seen = _bytes(picture)
    same_size = seen.shape == source.shape
    both = garment & source_garment if same_size else None
    aligned = both is not None and alignment.aligned(seen, source, both)
    found = veil.measure(seen, source, garment, source_garment, aligned=aligned)
    over = veil.measure(source, seen, source_garment, garment, aligned=aligned)
    levels = seen[garment]
    ends = ((levels == end).any(1).mean() if len(levels) else 0.0 for end in (0, 255))
    return Proof(found, _mean(over), *map(float, ends))


def place(picture: np.ndarray, source: np.ndarray, garment: np.ndarray) -> np.ndarray | None:
    """Returns the source's garment mask if the picture shows the garment right there, else None."""
    return garment if alignment.aligned(_bytes(picture), source, garment) else None


def lifted(picture: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Undoes a veil of a given strength at each pixel, without driving a level to an end.

    Args:
        picture: (H, W, 3) float32 in [0, 1].
        strength: (H, W), 0 leaves the pixel bit-identical; more than MOST_VEIL counts as that.

    Returns:
        (H, W, 3) float32 in [0, 1]; at 8 bits a channel is 0 or 255 only where it was before.
    """
    changed = strength > 0
    share = np.clip(strength[changed], 0, MOST_VEIL).astype(np.float32)[:, None]
    levels = picture[changed]
    clear = _bent((levels - np.float32(veil.VEIL_LUMA) * share) / (1 - share))
    lowest = np.where(levels < 1 / 510, 0, np.minimum(levels, DARKEST))
    highest = np.where(levels > 1 - 1 / 510, 1, np.maximum(levels, BRIGHTEST))
    image = picture.copy()
    image[changed] = np.clip(clear, lowest, highest)
    return image


def inward(mask: np.ndarray, radius_px: float = FEATHER_PX) -> np.ndarray:
    """Returns a (H, W) bool mask as float32 that reaches 1 `radius_px` inside its border."""
    padded = np.pad(mask.astype(np.uint8), 1)
    distance_px = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return np.minimum(distance_px / np.float32(radius_px), 1).astype(np.float32)


def to_json(found: Repair) -> dict:
    """Returns the proof as a JSON document; veil and clipping are shares, 0 to 1."""
    return {
        "schema": SCHEMA,
        "method": found.method,
        "sentence": found.sentence,
        "before": _written(found.before),
        "after": _written(found.after),
    }


def _written(proof: Proof) -> dict[str, float | None]:
    numbers = {
        "veil": proof.veil.value,
        "veil_worst_place": proof.worst_place,
        "slope": proof.veil.details.get("slope"),
        "offset": proof.veil.details.get("offset"),
        "clipped_black": proof.black,
        "clipped_white": proof.white,
    }
    return {name: None if one is None else round(one, 5) for name, one in numbers.items()}


def _ways(found: Measure, garment: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the strength of the veil at every pixel, by each way that makes sense."""
    overall = veil.strength(found.details["slope"], found.details["offset"])
    if overall >= LEAST_VEIL:
        yield "uniform", np.full(garment.shape, overall, np.float32)
    if found.local is None:
        return
    known = np.isfinite(found.local)
    if known.sum() < MIN_KNOWN * garment.sum() or found.local[known].mean() < LEAST_VEIL:
        return
    yield "local", _spread(np.where(known, found.local, 0), known, overall)


def _spread(strength: np.ndarray, known: np.ndarray, elsewhere: float) -> np.ndarray:
    """Smooths a map of tiles, and fills what no tile could tell from the nearest that could."""
    height, width = known.shape
    size = (max(1, width // COARSE), max(1, height // COARSE))
    total, weight = np.float32(FAINT * elsewhere), np.float32(FAINT)
    for sigma_px, share in ((MAP_SIGMA_PX, 1.0), (4 * MAP_SIGMA_PX, FAR)):
        blurred, near = (
            cv2.GaussianBlur(
                cv2.resize(one.astype(np.float32), size, interpolation=cv2.INTER_AREA),
                (0, 0),
                sigma_px / COARSE,
                borderType=cv2.BORDER_REPLICATE,
            )
            for one in (strength, known)
        )
        total, weight = total + share * blurred, weight + share * near
    return cv2.resize(total / weight, (width, height), interpolation=cv2.INTER_LINEAR)


def _bent(levels: np.ndarray) -> np.ndarray:
    """Bends a line smoothly into [0, 1]: unchanged but for the outermost TOE at each end."""
    dark = TOE * np.exp(np.minimum(levels - TOE, 0) / TOE)
    bright = 1 - TOE * np.exp(np.minimum(1 - TOE - levels, 0) / TOE)
    return np.where(levels < TOE, dark, np.where(levels > 1 - TOE, bright, levels))


def _mean(found: Measure) -> float:
    if found.local is not None and np.isfinite(found.local).any():
        return float(np.nanmean(found.local))
    return found.value or 0.0


def _told(before: Proof, after: Proof) -> str:
    whole, was, now = before.veil.value or 0, before.worst_place, after.worst_place
    parts = []
    if whole >= LEAST_VEIL:
        parts.append(f"from {whole:.1%} to {after.veil.value or 0:.1%}")
    if was is not None and now is not None:
        parts.append(f"at the worst place from {was:.1%} to {now:.1%}")
    return (
        f"The veil went down {', '.join(parts)}; no more of the garment is black or white than "
        "before."
    )


def _bytes(picture: np.ndarray) -> np.ndarray:
    return np.rint(picture * 255).clip(0, 255).astype(np.uint8)
