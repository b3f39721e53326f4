"""What goes wrong with pictures of garments, synthesised from seeds, and what does no harm.

A harm gets a `Subject` and a random generator; it returns a `Case`, or None where the picture has
nothing that it could harm. Pictures are (H, W, 3) uint8 sRGB, masks (H, W) bool.
"""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import degradations
import numpy as np
from dressform.imaging import labels, masks
from dressform.imaging.color import to_lab
from dressform.quality import color

VEIL_LUMA = (0.82, 0.94)  # a veil is light, of about this luma


class Subject(NamedTuple):
    """A good picture.

    Attributes:
        id: For seeds and tables.
        picture: (H, W, 3) uint8.
        garment: (H, W) bool.
        joints: Name to (x, y) pixels; empty where nobody is to be seen.
        photo: The mannequin photo, where `picture` was made from one with all in its place.
        form: (H, W) uint8, labels of `photo`.
    """

    id: str
    picture: np.ndarray
    garment: np.ndarray
    joints: dict[str, np.ndarray]
    photo: np.ndarray | None = None
    form: np.ndarray | None = None


class Case(NamedTuple):
    """A harmed picture, where the harm is, and the mask that was allowed to be repainted."""

    picture: np.ndarray
    where: np.ndarray | None = None
    repainted: np.ndarray | None = None


Harm = Callable[[Subject, np.random.Generator], Case | None]


def harmless() -> dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]]:
    """Returns by name what changes a picture without harm."""
    return {
        "untouched": lambda picture, rng: picture.copy(),
        "brighter": lambda picture, rng: degradations.exposed(picture, 0.3),
        "darker": lambda picture, rng: degradations.exposed(picture, -0.3),
        "white balance": white_balanced,
        "jpeg 75": lambda picture, rng: degradations.compressed(picture, 75),
        "jpeg 80": lambda picture, rng: degradations.compressed(picture, 80),
        "shift 3 px": lambda picture, rng: moved(picture, *_direction(rng, 3)),
        "blur 1 px": lambda picture, rng: cv2.GaussianBlur(picture, (0, 0), 1),
        "elastic 4 px": lambda picture, rng: bent(picture, 4, rng),
        "saturation": lambda picture, rng: desaturated(picture, 0.85),
    }


def white_balanced(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Makes the light about 300 K warmer or colder: 3 % of red against blue."""
    share = 0.03 * rng.choice((-1, 1))
    return to_bytes(picture * np.array((1 + share, 1, 1 - share), np.float32))


def moved(picture: np.ndarray, right_px: float, down_px: float) -> np.ndarray:
    """Moves a picture; its rim is repeated."""
    matrix = np.array([[1, 0, right_px], [0, 1, down_px]], np.float32)
    size = picture.shape[1::-1]
    way = cv2.INTER_CUBIC  # linear would soften as well
    return cv2.warpAffine(picture, matrix, size, flags=way, borderMode=cv2.BORDER_REPLICATE)


def bent(picture: np.ndarray, most_px: float, rng: np.random.Generator) -> np.ndarray:
    """Moves every pixel by up to `most_px`, neighbours by nearly the same."""
    height, width = picture.shape[:2]
    coarse = rng.normal(size=(2, height // 48 + 3, width // 48 + 3)).astype(np.float32)
    fields = [cv2.resize(one, (width, height), interpolation=cv2.INTER_CUBIC) for one in coarse]
    smooth = np.stack([cv2.GaussianBlur(field, (0, 0), 24) for field in fields], -1)
    return displaced(picture, smooth * most_px / np.linalg.norm(smooth, axis=2).max())


def displaced(picture: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Fetches each pixel from where (H, W, 2) `by`, x and y in pixels, points to."""
    rows, columns = np.indices(picture.shape[:2], np.float32)
    source = columns + by[..., 0].astype(np.float32), rows + by[..., 1].astype(np.float32)
    return cv2.remap(picture, *source, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def desaturated(picture: np.ndarray, share: float) -> np.ndarray:
    """Keeps this share of each pixel's distance from grey."""
    grey = color.luma(picture)[..., None] * 255
    return to_bytes(grey + (picture - grey) * share)


def veil(strength: float, over: str = "all") -> Harm:
    """Lays a veil over "all", the "garment" or a "half" of the picture."""

    def harm(subject: Subject, rng: np.random.Generator) -> Case:
        height, width = subject.garment.shape
        where = np.ones((height, width), bool)
        if over == "garment":
            where = subject.garment
        elif over == "half":
            rows, columns = np.nonzero(subject.garment)
            angle = rng.uniform(0, 2 * np.pi)
            row, column = np.indices(where.shape)
            side = (row - rows.mean()) * np.sin(angle) + (column - columns.mean()) * np.cos(angle)
            where = side > 0
        soft = masks.feather(where, 2)[..., None] if over != "all" else 1.0
        hazy = subject.picture * (1 - strength) + 255 * rng.uniform(*VEIL_LUMA) * strength
        return Case(to_bytes(subject.picture * (1 - soft) + hazy * soft), where)

    return harm


def pushed(distance_px: float) -> Harm:
    """Pushes the edge of a sleeve in or out, of any place where there are no sleeves.

    The half of the cases bend the cloth, the others repaint what lies between the two edges.
    """

    def harm(subject: Subject, rng: np.random.Generator) -> Case | None:
        place = _sleeve(subject, rng) or _any_edge(subject, rng)
        if place is None:
            return None
        (column, row), (x, y), reach = place
        outward = rng.choice((-1.0, 1.0))
        rows, columns = np.indices(subject.garment.shape, np.float32)
        near = np.exp(-((((columns - column) ** 2 + (rows - row) ** 2) / (2 * reach**2)) ** 2))
        by = -outward * distance_px * near[..., None] * np.array((x, y), np.float32)
        target = displaced(subject.garment.astype(np.float32), by)
        where = (target > 0.5) ^ subject.garment
        if where.sum() < 4 * distance_px:
            return None
        if rng.random() < 0.5:
            return Case(displaced(subject.picture, by), where)
        keep = target > 0.5 if outward > 0 else target <= 0.5
        known = subject.garment if outward > 0 else ~masks.grow(subject.garment, 2)
        filled = _nearest(subject.picture, masks.shrink(known, 1))
        soft = cv2.GaussianBlur((where & keep).astype(np.float32), (0, 0), 0.7)[..., None]
        return Case(to_bytes(subject.picture * (1 - soft) + filled * soft), where)

    return harm


def softened(sigma_px: float) -> Harm:
    """Softens the garment's outline only."""

    def harm(subject: Subject, rng: np.random.Generator) -> Case:
        band = masks.grow(subject.garment, 6) & ~masks.shrink(subject.garment, 6)
        soft = masks.feather(band, 2)[..., None]
        blurred = cv2.GaussianBlur(subject.picture, (0, 0), sigma_px)
        return Case(to_bytes(subject.picture * (1 - soft) + blurred * soft), band)

    return harm


def wiped(subject: Subject, rng: np.random.Generator) -> Case:
    """Wipes the fabric as a denoiser does, bilateral or median, and moves all by 2 px."""
    if rng.random() < 0.5:
        smooth = cv2.bilateralFilter(subject.picture, 9, 50, 5)
    else:
        smooth = cv2.medianBlur(subject.picture, 5)
    soft = masks.feather(masks.shrink(subject.garment, 3), 2)[..., None]
    picture = to_bytes(subject.picture * (1 - soft) + smooth * soft)
    return Case(moved(picture, *_direction(rng, 2)), subject.garment)


def blurred_and_moved(subject: Subject, rng: np.random.Generator) -> Case:
    """Blurs all by 1 px and moves it by 2 px."""
    picture = cv2.GaussianBlur(subject.picture, (0, 0), 1)
    return Case(moved(picture, *_direction(rng, 2)), subject.garment)


def seam(step: float) -> Harm:
    """Pastes the same picture hard, brighter or darker by `step`; 0 pastes it as it is."""

    def harm(subject: Subject, rng: np.random.Generator) -> Case:
        height, width = subject.garment.shape
        if rng.random() < 0.5:
            repainted = masks.grow(subject.garment, round(0.015 * height))
        else:
            shape = np.zeros((height, width), np.uint8)
            middle = round(rng.uniform(0.35, 0.65) * width), round(rng.uniform(0.35, 0.65) * height)
            radii = round(rng.uniform(0.15, 0.35) * width), round(rng.uniform(0.15, 0.35) * height)
            cv2.ellipse(shape, middle, radii, rng.uniform(0, 180), 0, 360, 1, -1)
            repainted = shape > 0
        border = repainted & ~masks.shrink(repainted, 1)
        bright = np.median(subject.picture[border].max(1)) > 240 if border.any() else True
        # White cannot become whiter: that would be no seam.
        gain = 1 + step * (-1 if bright else rng.choice((-1, 1)))
        inside = to_bytes(subject.picture * np.float32(gain))
        return Case(np.where(repainted[..., None], inside, subject.picture), repainted, repainted)

    return harm


def leak(difference: float, share: float) -> Harm:
    """Changes the colour of one to three blobs outside the mask; a half changes all a little too.

    Args:
        difference: CIEDE2000 of the blobs.
        share: Of the area outside.
    """

    def harm(subject: Subject, rng: np.random.Generator) -> Case | None:
        repainted = masks.grow(subject.garment, round(0.015 * len(subject.garment)))
        outside = ~repainted
        if outside.mean() < 0.05:
            return None
        blobs = _blobs(outside, round(share * outside.sum()), int(rng.integers(1, 4)), rng)
        picture = subject.picture.copy()
        picture[blobs] = _recolored(subject.picture[blobs], difference, rng)
        if rng.random() < 0.5:
            # Never longer: white would swallow the difference.
            picture = degradations.exposed(picture, rng.uniform(-0.15, 0))
        return Case(picture, blobs, repainted)

    return harm


def left_over(part: str) -> Harm:
    """Leaves a "neck", an arm's "stub" or the "stand" of the mannequin in a clean picture."""

    def harm(subject: Subject, rng: np.random.Generator) -> Case | None:
        if subject.photo is None or subject.form is None:
            return None
        where = _part(subject, part, rng)
        if where.sum() < 150:
            return None
        soft = cv2.GaussianBlur(where.astype(np.float32), (0, 0), 0.7)[..., None]
        return Case(to_bytes(subject.picture * (1 - soft) + subject.photo * soft), where)

    return harm


def to_bytes(picture: np.ndarray) -> np.ndarray:
    """Rounds to (H, W, 3) uint8."""
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _direction(rng: np.random.Generator, distance_px: float) -> tuple[float, float]:
    angle = rng.uniform(0, 2 * np.pi)
    return distance_px * float(np.cos(angle)), distance_px * float(np.sin(angle))


Place = tuple[np.ndarray | tuple[int, int], np.ndarray, float]


def _sleeve(subject: Subject, rng: np.random.Generator) -> Place | None:
    """Returns a point of a sleeve's edge, its normal outwards and the reach; None without."""
    sides = [side for side in "LR" if side + "Elbow" in subject.joints]
    rng.shuffle(sides)
    for side in sides:
        shoulder, elbow = (subject.joints[side + name] for name in ("Shoulder", "Elbow"))
        middle, along = (shoulder + elbow) / 2, elbow - shoulder
        length = float(np.linalg.norm(along))
        column, row = (round(float(v)) for v in middle)
        height, width = subject.garment.shape
        if length < 20 or not (0 <= row < height and 0 <= column < width):
            continue
        if not subject.garment[row, column]:
            continue
        normal = np.array((along[1], -along[0])) / length
        outer = normal if normal @ (middle - subject.joints["Neck"]) > 0 else -normal
        steps = np.arange(0, 0.8 * length)
        line = np.rint(middle + steps[:, None] * outer).astype(int)
        inside = [
            0 <= r < height and 0 <= c < width and bool(subject.garment[r, c]) for c, r in line
        ]
        if all(inside) or not inside[0]:
            continue
        return line[inside.index(False)], outer, max(12.0, 0.35 * length)
    return None


def _any_edge(subject: Subject, rng: np.random.Generator) -> Place | None:
    inner = masks.largest(subject.garment)
    outline = inner & ~masks.shrink(inner, 1)
    border = round(0.03 * len(outline))
    outline[:border] = outline[-border:] = outline[:, :border] = outline[:, -border:] = False
    rows, columns = np.nonzero(outline)
    if len(rows) < 100:
        return None
    chosen = int(rng.integers(len(rows)))
    soft = cv2.GaussianBlur(inner.astype(np.float32), (0, 0), 6)
    row, column = int(rows[chosen]), int(columns[chosen])
    window = soft[row - 1 : row + 2, column - 1 : column + 2]
    normal = -np.array((window[1, 2] - window[1, 0], window[2, 1] - window[0, 1]))
    length = float(np.linalg.norm(normal))
    if length < 1e-6:
        return None
    return (column, row), normal / length, max(12.0, 0.12 * float(np.sqrt(inner.sum())))


def _nearest(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fills what is not known with the nearest known pixel."""
    _, index = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colors = np.zeros((index.max() + 1, 3), np.uint8)
    colors[index[known]] = picture[known]
    return colors[index]


def _blobs(outside: np.ndarray, area: int, count: int, rng: np.random.Generator) -> np.ndarray:
    rows, columns = np.nonzero(outside)
    row, column = np.indices(outside.shape)
    nearest = np.full(outside.shape, np.inf)
    for _ in range(count):
        chosen = int(rng.integers(len(rows)))
        stretch = rng.uniform(0.6, 1.6)
        away = ((row - rows[chosen]) * stretch) ** 2 + ((column - columns[chosen]) / stretch) ** 2
        nearest = np.minimum(nearest, away)
    nearest[~outside] = np.inf
    limit = np.partition(nearest[outside], min(area, outside.sum() - 1))[
        min(area, outside.sum() - 1)
    ]
    return nearest <= limit


def _recolored(pixels: np.ndarray, difference: float, rng: np.random.Generator) -> np.ndarray:
    """Changes (N, 3) uint8 pixels in one direction until their median differs as asked."""
    towards = rng.normal(size=3)
    towards /= np.linalg.norm(towards)
    middle = np.median(pixels, axis=0)
    towards *= np.where(towards * (middle - 127) > 0, -1, 1)  # not into the clipping
    before = to_lab(pixels[None])[0]
    low, high = 0.0, 80.0
    for _ in range(20):
        amount = (low + high) / 2
        after = to_lab(to_bytes(pixels[None] + amount * towards))[0]
        found = float(np.median(color.ciede2000(after, before)))
        low, high = (amount, high) if found < difference else (low, amount)
    return to_bytes(pixels + high * towards)


def _part(subject: Subject, part: str, rng: np.random.Generator) -> np.ndarray:
    assert subject.form is not None  # noqa: S101 (asked before)
    if part == "stand":
        return subject.form == labels.SUPPORT
    body = subject.form == labels.MANNEQUIN
    names = ("Neck",) if part == "neck" else ("LElbow", "RElbow", "LWrist", "RWrist")
    found = np.zeros(body.shape, bool)
    rows, columns = np.indices(body.shape)
    size = 0.06 * len(body)
    for name in rng.permutation(names):
        if name not in subject.joints:
            continue
        x, y = subject.joints[str(name)]
        if part == "neck":
            found = (
                body & (abs(columns - x) < 1.5 * size) & (rows < y + size) & (rows > y - 1.5 * size)
            )
        else:
            found = body & ((columns - x) ** 2 + (rows - y) ** 2 < size**2)
        if found.sum() >= 150:
            break
    return found
