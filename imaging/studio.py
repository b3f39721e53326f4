"""What a cleaned picture may stand on; apart from `ghost`, so that listing it needs no OpenCV."""

# sRGB by name; None keeps the photo's own backdrop, filled in where the mannequin stood. The grey
# is the light one of studio paper, which marketplaces accept beside white.
BACKGROUNDS: dict[str, tuple[int, int, int] | None] = {
    "white": (255, 255, 255),
    "grey": (242, 242, 242),
    "keep": None,
}
