"""What an editor is told in plain sentences: of the task, of the pictures it sees, of the user."""

from collections.abc import Mapping, Sequence

from .painter import TASKS
from .references import CROP, GARMENT, PERSON, ROLES, SKELETON

TRY_ON, MANNEQUIN_TO_MODEL = TASKS

CLOTHES = {
    "upper": "top",
    "lower": "lower-body garment",
    "dress": "dress",
    "layered": "outfit with all its layers",
}
"""Regions of `parsing.REGIONS` in words; "garment" for any other."""

SENTENCES = {
    TRY_ON: (
        "Dress the person of {crop} in the {clothes} of {garment}.",
        "Copy its colour, pattern, print, logo, fabric, cut and length exactly, and let it follow "
        "the body and fall in natural folds.",
        "Paint only the plain grey area of {crop}: the {clothes}, and what it leaves bare of skin, "
        "of other clothes and of the background.",
        "Keep face, hair, hands, pose, background and light as they are.",
    ),
    MANNEQUIN_TO_MODEL: (
        "Replace the mannequin of {crop} with a real person who wears the same {clothes}.",
        "Natural head, hair, neck, arms, hands and legs take the place of plastic, joints and "
        "stand.",
        "The {clothes} stays exactly as it is photographed; {garment} shows it again.",
        "Keep camera, scale and light as they are.",
    ),
}
"""The task. A sentence is left out where the picture that it names is not there."""

OF_PICTURES = {
    PERSON: "The person is the one of {person}: the same face, hair, skin and build.",
    ROLES: "{roles} marks the pose at the same place and scale: each coloured stroke is a head, "
    "an arm, a hand, a leg or a foot. Follow the strokes and show none of them.",
    SKELETON: "{skeleton} is the skeleton of the pose at the same place and scale. Follow it and "
    "show none of its lines.",
}
"""What is said of a further picture."""

STYLE = "A realistic, sharp fashion photograph."


def compose(
    task: str, region: str, words: str, pictures: Mapping[str, Sequence], *, name: str = "image"
) -> str:
    """Returns what an editor is told.

    Args:
        task: One of TASKS.
        region: Of `parsing.REGIONS`, or anything else for any garment.
        words: The user's, added as they are.
        pictures: From `references.shown`.
        name: What the editor calls a picture before its number, which starts at 1.
    """
    names = {"clothes": CLOTHES.get(region, "garment")}
    number = 0
    for what, found in pictures.items():
        numbers = range(number + 1, number + 1 + len(found))
        names[what] = " and ".join(f"{name} {one}" for one in numbers)
        number += len(found)
    further = [OF_PICTURES[what] for what in pictures if what not in (CROP, GARMENT)]
    if GARMENT not in pictures:
        names[GARMENT] = "the description below"
    told = [
        sentence.format(**names)
        for sentence in (*SENTENCES[task], *further, STYLE)
        if task == TRY_ON or GARMENT in pictures or "{garment}" not in sentence
    ]
    return " ".join(text[:1].upper() + text[1:] for text in (*told, words.strip()) if text)
