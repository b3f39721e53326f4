"""A triangle mesh over a mask, and for each pixel of it deformed, where that came from."""

from typing import NamedTuple

import cv2
import numpy as np

# Fractional bits of OpenCV's polygon coordinates.
SHIFT = 4


class Mesh(NamedTuple):
    """Triangles over a mask.

    Attributes:
        points: (N, 2) float64, x and y in pixels.
        triangles: (M, 3) int, indices of points, all of one orientation.
    """

    points: np.ndarray
    triangles: np.ndarray


def cover(mask: np.ndarray, cells: int) -> Mesh:
    """Covers a (H, W) bool mask by right triangles, `cells` of them along its long side.

    The border cells reach past the mask, so that soft edges have room.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = float(rows[0]), float(columns[0])
    step = max(rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1) / cells
    across = int(np.ceil((columns[-1] + 1 - left) / step)) + 2
    down = int(np.ceil((rows[-1] + 1 - top) / step)) + 2
    xs, ys = left + step * (np.arange(across + 1) - 1), top + step * (np.arange(down + 1) - 1)
    points = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2)
    used = np.zeros((down, across), np.uint8)
    at = np.argwhere(mask)
    used[((at[:, 0] - ys[0]) / step).astype(int), ((at[:, 1] - xs[0]) / step).astype(int)] = 1
    used = cv2.dilate(used, np.ones((3, 3), np.uint8))
    row, column = np.nonzero(used)
    corner = row * (across + 1) + column
    lower = corner + across + 1
    triangles = np.concatenate(
        [np.stack([corner, corner + 1, lower], 1), np.stack([corner + 1, lower + 1, lower], 1)]
    )
    return Mesh(points, triangles)


def sources(mesh: Mesh, moved: np.ndarray, top: int, height: int, width: int) -> np.ndarray:
    """Draws the mesh with its points moved, and says for each pixel where it came from.

    Args:
        mesh: The mesh at rest.
        moved: (N, 2) float64, new positions of its points.
        top: First row to draw, so that a huge picture can be drawn in strips.
        height, width: Of the strip, in pixels.

    Returns:
        (height, width, 2) float32, x and y in the mesh's own picture; -1e6 outside of it. Later
        triangles lie over earlier ones.
    """
    coefficients, usable = _inverses(mesh, moved)
    corners = moved[mesh.triangles] - (0, top)
    inside = (corners[..., 1].max(1) >= -1) & (corners[..., 1].min(1) <= height)
    inside &= (corners[..., 0].max(1) >= -1) & (corners[..., 0].min(1) <= width) & usable
    # Zoomed-in triangles may reach far out; OpenCV's fixed point holds 2**27 pixels.
    fixed = np.rint(np.clip(corners, -1e6, 1e6) * (1 << SHIFT)).astype(np.int32)
    index = np.zeros((height, width), np.int32)
    for number in np.flatnonzero(inside):
        cv2.fillConvexPoly(index, fixed[number], int(number) + 1, cv2.LINE_8, SHIFT)
    result = np.full((height, width, 2), -1e6, np.float32)
    rows, columns = np.nonzero(index)
    chosen = coefficients[index[rows, columns] - 1]
    homogeneous = np.stack([columns, rows + top, np.ones(len(rows))], 1)
    result[rows, columns] = (chosen @ homogeneous[..., None])[..., 0]
    return result


def _inverses(mesh: Mesh, moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each triangle the (2, 3) map from moved back to rest, and whether it exists."""
    rest, now = mesh.points[mesh.triangles], moved[mesh.triangles]
    edges = np.stack([now[:, 1] - now[:, 0], now[:, 2] - now[:, 0]], -1)
    area = edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]
    usable = area > 1e-3  # Flipped and flat triangles show the garment's back: not drawn.
    safe = np.where(usable, area, 1.0)
    inverse = np.empty_like(edges)
    inverse[:, 0, 0], inverse[:, 1, 1] = edges[:, 1, 1] / safe, edges[:, 0, 0] / safe
    inverse[:, 0, 1], inverse[:, 1, 0] = -edges[:, 0, 1] / safe, -edges[:, 1, 0] / safe
    rest_edges = np.stack([rest[:, 1] - rest[:, 0], rest[:, 2] - rest[:, 0]], -1)
    linear = rest_edges @ inverse
    offset = rest[:, 0] - (linear @ now[:, 0, :, None])[..., 0]
    return np.concatenate([linear, offset[..., None]], -1), usable
