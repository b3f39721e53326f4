"""The label map of a mannequin photo: what each pixel shows."""

BACKGROUND = 0
GARMENT = 1
MANNEQUIN = 2  # body, neck, caps, limbs, head
SUPPORT = 3  # stand, pole, base, hanger
INTERIOR = 4  # inside of the garment, seen through neck, sleeves, hem or an open front
CLUTTER = 5  # other things in the room

NAMES = ("background", "garment", "mannequin", "support", "interior", "clutter")

# sRGB, chosen to stay apart for readers with red-green blindness (Okabe and Ito, 2008).
COLORS = (
    (0, 0, 0),
    (0, 158, 115),
    (230, 159, 0),
    (204, 121, 167),
    (86, 180, 233),
    (127, 127, 127),
)
