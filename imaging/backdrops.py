"""The backdrops a cleaned picture may stand on."""

# Name -> sRGB of the seamless backdrop; "keep" has none, it fills the photo's own.
COLORS = {"white": (255, 255, 255), "grey": (242, 242, 242)}
BACKGROUNDS = (*COLORS, "keep")
