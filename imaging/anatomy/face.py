"""Lines of a drawn head: the cross of the face and the mass of the hair."""

import numpy as np

from . import outline
from . import proportions as p


def cross(f: outline.Frame) -> list[np.ndarray]:
    """Returns the middle line and the line of the eyes, (N, 2) each, bent around the head."""
    curve = np.linspace(-1, 1, 9)
    turn = np.sin(f.yaw)
    middle = [_on_head(f, turn * np.sqrt(1 - (0.8 * v) ** 2), 0.82 * v) for v in curve]
    eyes = [
        _on_head(
            f, np.clip(0.84 * v + 0.35 * turn * (1 - v**2), -1, 1), p.EYE[2] - 0.06 * (1 - v**2)
        )
        for v in curve
    ]
    return [np.array(middle), np.array(eyes)]


def hair(f: outline.Frame, *, long: bool = False) -> np.ndarray:
    """Returns the outline of the hair, (N, 2), fuller than the skull.

    Args:
        f: How the head stands and turns.
        long: Down to the jaw at both sides; otherwise a cap from temple to temple. The back of a
            head is hair all over.
    """
    over = np.linspace(-0.10, np.pi + 0.10, 22)
    rim = [_on_head(f, 1.13 * np.cos(a), 1.12 * np.sin(a)) for a in over]
    if f.facing < 0:
        low = -1.05 if long else -0.80
        nape = [_on_head(f, v, low * (1 - 0.55 * v**2)) for v in np.linspace(-0.96, 0.96, 11)]
        return np.array(rim + nape)
    part = 0.5 * np.sin(f.yaw)
    across = np.linspace(-0.78 if long else -0.96, 0.78 if long else 0.96, 11)
    line = [_on_head(f, v, 0.42 * (1 - 0.55 * (v - part) ** 2) - 0.02) for v in across]
    if long:
        line = [_on_head(f, -x, y) for x, y in _LOCK] + line
        line += [_on_head(f, x, y) for x, y in reversed(_LOCK)]
    return np.array(rim + line)


# Beside the face, in halves of the head: down the outside, around the tip, up along the cheek.
_LOCK = ((1.16, -0.35), (1.12, -0.72), (0.98, -0.84), (0.86, -0.66), (0.84, -0.20))


def _on_head(f: outline.Frame, right: float, up: float) -> np.ndarray:
    """A point of the head's face in halves of its width and height."""
    half = f.stature * np.hypot(
        outline.mix(p.HEAD_HALF_WIDTH, f.child) * np.cos(f.yaw),
        outline.mix(p.HEAD_HALF_DEPTH, f.child) * np.sin(f.yaw),
    )
    tall = f.stature * outline.mix(p.HEAD_HALF_HEIGHT, f.child)
    across = np.array([-f.up[1], f.up[0]])
    return f.head + right * half * across + up * tall * f.up
