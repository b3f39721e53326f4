"""What a user may choose for a folder of products; apart, so that listing it needs no OpenCV."""

# Photos to do once more.
REDO = ("never", "failed", "all")
# Name of a format -> its suffix and the longest side that it can hold.
FORMATS = {"png": (".png", 2**31 - 1), "jpg": (".jpg", 65_500), "webp": (".webp", 16_383)}
# What a saved picture lies on, sRGB; transparent needs an alpha.
GROUNDS: dict[str, tuple[int, int, int] | None] = {
    "as given": None,
    "transparent": None,
    "white": (255, 255, 255),
    "grey": (242, 242, 242),  # as studio.BACKGROUNDS
}
MAX_SIDE_PX = 8192  # of a square canvas; no marketplace takes more, and it is 200 MB
