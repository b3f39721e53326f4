"""What is handed from one step to the next while a folder of photos is worked on."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from .manifest import Row

# How a run ended.
ERROR, INTERRUPTED, SUCCESS = "error", "interrupted", "success"


class Order(NamedTuple):
    """What a user asked for.

    Attributes:
        folder: Of the photos, resolved.
        label: The same as the user named it; photos are known by it.
        out: The folder that takes the pictures.
        redo: One of choices.REDO.
        subfolders: Whether to look into the folders within.
        roots: What links in the folder may lead to; empty is the folder itself.
    """

    folder: Path
    label: str
    out: Path
    redo: str = "never"
    subfolders: bool = True
    roots: tuple[Path, ...] = ()


class Run(NamedTuple):
    """One execution of the workflow.

    Attributes:
        id: Of the prompt.
        chain: Of the press of the button that it comes from.
        began_at: When that button was pressed, seconds since 1970.
        saves: How many nodes are to save each photo.
    """

    id: str
    chain: str
    began_at: float
    saves: int = 1


class Ending(NamedTuple):
    """How an earlier run ended: ERROR with its sentence, INTERRUPTED or SUCCESS."""

    kind: str
    sentence: str = ""


class Product(NamedTuple):
    """A photo on its way through the workflow.

    Attributes:
        row: Its row in the manifest, taken.
        out: The folder that takes its pictures.
        saves: How many nodes are to save it.
    """

    row: Row
    out: Path
    saves: int = 1


class Counts(NamedTuple):
    """How many photos of the folder are in which state."""

    total: int
    done: int
    failed: int
    skipped: int
    left: int


class Taken(NamedTuple):
    """What `take` found.

    Attributes:
        product: The next photo; None where there is none, or the batch was stopped.
        picture: (H, W, 3) uint8 sRGB of it.
        counts: Of the whole folder; the product counts as left.
        sentences: For the user.
    """

    product: Product | None
    picture: np.ndarray | None
    counts: Counts
    sentences: tuple[str, ...]
