"""What a cut-out garment may stand on; apart from `cutout`, so that listing it needs no OpenCV."""

import re

# sRGB by name; None keeps the photo's own backdrop, filled in where the mannequin stood. The grey
# is the light one of studio paper, which marketplaces accept beside white.
BACKGROUNDS: dict[str, tuple[int, int, int] | None] = {
    "white": (255, 255, 255),
    "grey": (242, 242, 242),
    "keep": None,
}
WHITE = (255, 255, 255)
# transparent: white under an alpha; color: one of the user's; picture: one of the user's, cropped
# to cover; studio: white with the shadow that the photo shows.
STAGES = (*BACKGROUNDS, "transparent", "color", "picture", "studio")
# How far cloth may be seen through: at its edges only, or deeper.
FABRICS = ("opaque", "sheer")


def unknown(background: str) -> str:
    """Returns the sentence for the user about a background that is none of STAGES."""
    return (
        f"background must be one of {', '.join(STAGES)}, got {background!r}. Choose one of these."
    )


# How a ghost mannequin's openings are filled: with cloth, or smooth, for a generative engine to
# paint over.
GHOST_METHODS = ("complete", "generator")


def color(text: str) -> tuple[int, int, int]:
    """Reads a colour written as in web pages: #rrggbb or #rgb, the # may be missing.

    Returns:
        sRGB, 0 to 255.

    Raises:
        ValueError: The text is no such colour.
    """
    found = re.fullmatch(r"#?([0-9a-fA-F]{6}|[0-9a-fA-F]{3})", text.strip())
    if not found:
        raise ValueError(
            f"color must be a hex colour such as #f2f2f2, got {text!r}. "
            "Write six hexadecimal digits: red, green, blue."
        )
    digits = found[1] if len(found[1]) == 6 else "".join(2 * digit for digit in found[1])
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def complaint(background: str | None, paper: str | None) -> str | None:
    """Says what is wrong with a stage that somebody asks for.

    Args:
        background: One of STAGES; None where it is not known yet.
        paper: Six hexadecimal digits, needed for the stage "color"; None where not known yet.

    Returns:
        The sentence for the user; None where nothing is wrong.
    """
    if background is not None and background not in STAGES:
        return unknown(background)
    if background == "color" and paper is not None:
        try:
            color(paper)
        except ValueError as error:
            return str(error)
    return None
