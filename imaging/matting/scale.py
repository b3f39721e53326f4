"""How wide things are on a photo of a given size."""

# Half width of the soft border at a long side of 1024 px: the antialiasing of a camera plus JPEG
# blur, and the error of a careful hard mask.
BAND_PX = 3.0
# Widths of the band beyond its border that are looked at for fringe, fuzz and holes of lace.
REACH = 4


def band_px(height: int, width: int) -> int:
    """Returns the half width of the soft border for a photo of this size, in pixels."""
    return max(2, round(BAND_PX * max(height, width) / 1024))


def reach_px(height: int, width: int) -> int:
    """Returns how far from a mask's border its opacity may differ from the mask, in pixels."""
    return REACH * band_px(height, width)
