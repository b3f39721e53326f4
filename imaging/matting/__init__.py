"""Soft garment edges: opacity from a hard mask, and edge colours free of the old background."""

from .colors import foreground
from .opacity import alpha
from .scale import band_px, reach_px

__all__ = ["alpha", "band_px", "foreground", "reach_px"]
