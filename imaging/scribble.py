"""Pictures of stroke documents and poses: scribble and OpenPose maps, references, masks.

Strokes that correct a parsing are no hints at a body: only `stroke_mask` draws them.
"""

import colorsys
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from . import masks, pen
from .pen import Line
from .pose import NAMES, Pose
from .strokes import CORRECTIONS, ROLES, Stroke, StrokeDocument

MIN_RADIUS_PX = 0.75  # thinner lines vanish when a ControlNet downsamples
_SHIFT = 4  # OpenCV draws at a sixteenth of a pixel
_RIM = 1.6  # width of the dark rim around preview strokes, over the stroke's own
_RIM_COLOR = (20, 20, 20)
SIDE_STEP = 8  # latents of Stable Diffusion are an eighth of the picture

# sRGB grey. Far enough apart to tell the figure from the ground, and both from white lines.
GROUND, FIGURE = 216, 184
_OUTLINE = 0.6  # brightness of an area's line over that of the area

Color = tuple[int, int, int]

# Joints that OpenPose joins, in its order; each limb and joint has its own hue.
LIMBS = (
    ("Neck", "RShoulder"),
    ("Neck", "LShoulder"),
    ("RShoulder", "RElbow"),
    ("RElbow", "RWrist"),
    ("LShoulder", "LElbow"),
    ("LElbow", "LWrist"),
    ("Neck", "RHip"),
    ("RHip", "RKnee"),
    ("RKnee", "RAnkle"),
    ("Neck", "LHip"),
    ("LHip", "LKnee"),
    ("LKnee", "LAnkle"),
    ("Neck", "Nose"),
    ("Nose", "REye"),
    ("REye", "REar"),
    ("Nose", "LEye"),
    ("LEye", "LEar"),
)
LIMB_DIMMING = 0.6  # OpenPose draws limbs at 0.6 of the joints' brightness


def working_size(size: tuple[int, int], long_side_px: int) -> tuple[int, int]:
    """Returns the height and width to draw at for a model: multiples of 8, as the photo at 0.

    Args:
        size: Height and width of the photo.
        long_side_px: Of the picture; rounded to a multiple of 8.
    """
    if long_side_px <= 0:
        return size
    scale = long_side_px / max(size)
    height, width = (max(1, round(side * scale / SIDE_STEP)) * SIDE_STEP for side in size)
    return height, width


def render(document: StrokeDocument, size: tuple[int, int], *, line_px: float = 0) -> np.ndarray:
    """Draws white strokes on black, as scribble ControlNets expect.

    Args:
        size: Height and width of the picture; the document is scaled to it.
        line_px: Width of every line in the picture; 0 leaves them as they were drawn.

    Returns:
        (H, W, 3) uint8, antialiased.
    """
    lines = [line for _, line in _scaled(document, size)]
    if line_px > 0:
        even = max(line_px / 2, MIN_RADIUS_PX)
        lines = [line._replace(radii=np.full(len(line.radii), even)) for line in lines]
    canvas = np.zeros((*size, 3), np.uint8)
    for tile, covered in pen.cover(pen.cut(lines), size):
        canvas[_at(tile)] = np.rint(255 * covered)[..., None]
    return canvas


def draw_on(image: np.ndarray, document: StrokeDocument) -> np.ndarray:
    """Draws the strokes in their colours, dark-rimmed, on a copy of an (H, W, 3) uint8 sRGB."""
    layers = []
    for stroke, line in _scaled(document, image.shape[:2]):
        layers.append((_RIM_COLOR, line._replace(radii=line.radii * _RIM)))
        layers.append((_rgb(stroke.color), line))
    drawn = image.copy()
    _lay(drawn, layers)
    return drawn


def roles(
    document: StrokeDocument, size: tuple[int, int], figure: np.ndarray | None = None
) -> np.ndarray:
    """Draws the body as a plan in the roles' colours, for editors that read reference pictures.

    Flat areas on plain grey, not lines on the photo: FLUX.2 takes a pose or a layout from a
    reference of its own that shows little else (docs.bfl.ml/guides/usecases_editing_controlnets),
    Qwen-Image-Edit was trained on bare keypoint and sketch maps, and a second, dimmed copy of the
    garment would be one more garment to copy.

    Args:
        size: Height and width of the picture; the document is scaled to it.
        figure: (h, w) bool, the whole body; drawn in grey below, so that the parts belong
            together.

    Returns:
        (H, W, 3) uint8: areas, the largest lowest, then lines, in the colours of ROLES whatever
        the strokes' own are.
    """
    canvas = np.full((*size, 3), GROUND, np.uint8)
    if figure is not None:
        shades = np.where(figure, np.uint8(FIGURE), np.uint8(GROUND))
        canvas[:] = cv2.resize(shades, size[::-1], interpolation=cv2.INTER_AREA)[..., None]
    drawn = [(_rgb(ROLES[stroke.role]), line) for stroke, line in _scaled(document, size)]
    areas = [pair for pair in drawn if pair[1].closed]
    for color, line in sorted(areas, key=lambda pair: -_surface(pair[1])):
        part, inside = _inside(line, size)
        canvas[_at(part)][inside] = color
        _lay(canvas, [(_darker(color), line)])
    _lay(canvas, [pair for pair in drawn if not pair[1].closed])
    return canvas


def mask(document: StrokeDocument, size: tuple[int, int], *, grow_px: int = 0) -> np.ndarray:
    """Selects what the strokes cover; closed strokes count with their inside.

    Args:
        size: Height and width of the mask; the document is scaled to it.
        grow_px: Grown by this much.

    Returns:
        (H, W) bool.
    """
    selected = np.zeros(size, bool)
    for _, line in _scaled(document, size):
        _select(selected, line)
    return masks.grow(selected, grow_px)


def stroke_mask(document: StrokeDocument, index: int, size: tuple[int, int]) -> np.ndarray:
    """Selects what one stroke of any role covers, as (H, W) bool; see `mask`."""
    selected = np.zeros(size, bool)
    _select(selected, _scale(document.strokes[index], document, size))
    return selected


def skeleton(pose: Pose, size: tuple[int, int]) -> np.ndarray:
    """Draws the pose as OpenPose does: limbs in eighteen hues on black, as ControlNets expect.

    Args:
        pose: Joints may be missing, as detectors leave them out; so do their limbs then.
        size: Height and width of the picture; the pose is scaled to it.

    Returns:
        (H, W, 3) uint8.

    Reference:
        Cao et al., OpenPose: Realtime Multi-Person 2D Pose Estimation using Part Affinity
        Fields, TPAMI 2021.
    """
    height, width = size
    stretch = np.array([width / pose.width, height / pose.height])
    at = {n: (np.array([k.x, k.y]) + 0.5) * stretch - 0.5 for n, k in pose.keypoints.items()}
    thickness = max(2, round(max(size) / 128))  # 4 pixels at 512, OpenPose's usual picture
    canvas = np.zeros((height, width, 3), np.uint8)
    for index, (a, b) in enumerate(LIMBS):
        if a in at and b in at:
            color = tuple(LIMB_DIMMING * c for c in _hue(index))
            cv2.line(canvas, _pixel(at[a]), _pixel(at[b]), color, 2 * thickness, cv2.LINE_AA)
    for index, name in enumerate(NAMES):
        if name in at:
            cv2.circle(canvas, _pixel(at[name]), thickness, _hue(index), -1, cv2.LINE_AA)
    return canvas


def _hue(index: int) -> tuple[float, float, float]:
    """OpenPose's eighteen colours: the hue circle in steps of 20 degrees."""
    red, green, blue = colorsys.hsv_to_rgb(index / 18, 1, 1)
    return 255 * red, 255 * green, 255 * blue


def _pixel(point: np.ndarray) -> tuple[int, int]:
    x, y = np.clip(np.rint(point), -30_000, 30_000)
    return int(x), int(y)


def _scaled(document: StrokeDocument, size: tuple[int, int]) -> Iterator[tuple[Stroke, Line]]:
    """Each hint with its line in pixels of a picture of that size."""
    for stroke in document.strokes:
        if stroke.role not in CORRECTIONS:
            yield stroke, _scale(stroke, document, size)


def _scale(stroke: Stroke, document: StrokeDocument, size: tuple[int, int]) -> Line:
    stretch = np.array([size[1] / document.width, size[0] / document.height])
    rows = np.array(stroke.points, np.float64).reshape(-1, 3)
    radii = stroke.radius_px * rows[:, 2] * np.sqrt(stretch.prod())
    points = (rows[:, :2] + 0.5) * stretch - 0.5  # pixels are squares around their centres
    return Line(points, np.maximum(radii, MIN_RADIUS_PX), stroke.closed)


def _lay(canvas: np.ndarray, layers: Sequence[tuple[Color, Line]]) -> None:
    """Paints lines over each other into an (H, W, 3) picture that the caller made."""
    painted = [(color, pen.cut([line])) for color, line in layers]
    extents = np.array([pen.extent(pieces) for _, pieces in painted]).reshape(-1, 4)
    if not len(extents):
        return
    whole = np.concatenate([extents[:, :2].min(0), extents[:, 2:].max(0)])
    for tile in pen.tiles(canvas.shape[:2], whole):
        below, blended = canvas[_at(tile)], None
        for color, pieces in painted:
            covered = pen.cover_tile(pieces, tile)
            if covered is not None:
                if blended is None:  # channel by channel: numpy is slow on rows of three
                    blended = np.ascontiguousarray(np.moveaxis(below, -1, 0), np.float32)
                for plane, level in zip(blended, color, strict=True):
                    plane += covered * (level - plane)
        if blended is not None:
            below[:] = np.moveaxis(np.rint(blended), 0, -1)


def _select(selected: np.ndarray, line: Line) -> None:
    """Adds a line, and the inside of a closed one, to a mask that the caller made."""
    for tile, covered in pen.cover(pen.cut([line]), selected.shape):
        selected[_at(tile)] |= covered >= 0.5
    if line.closed:
        part, inside = _inside(line, selected.shape)
        selected[_at(part)] |= inside


def _inside(line: Line, size: tuple[int, int]) -> tuple[masks.Bounds, np.ndarray]:
    """Where a closed line lies, and the (h, w) bool area that it goes around.

    A loop whose end runs over its beginning has no hole there: what cannot be reached from
    outside counts as inside.
    """
    low, high = np.floor(line.points.min(0)) - 1, np.ceil(line.points.max(0)) + 2
    left, top = (int(v) for v in np.clip(low, 0, size[::-1]))
    right, bottom = (int(v) for v in np.clip(high, 0, size[::-1]))
    part = masks.Bounds(top, left, max(top, bottom), max(left, right))
    filled = np.zeros((part.height, part.width), np.uint8)
    if filled.size and len(line.points) > 2:
        fixed = np.rint((line.points - (left, top)) * 2**_SHIFT).astype(np.int32)
        cv2.fillPoly(filled, [fixed], 1, cv2.LINE_8, _SHIFT)
    return part, masks.fill_holes(filled > 0)


def _surface(line: Line) -> float:
    return abs(float(cv2.contourArea(line.points.astype(np.float32))))


def _at(part: masks.Bounds) -> tuple[slice, slice]:
    return slice(part.top, part.bottom), slice(part.left, part.right)


def _darker(color: Color) -> Color:
    red, green, blue = (round(_OUTLINE * channel) for channel in color)
    return red, green, blue


def _rgb(color: str) -> Color:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
