"""The scenes that are learned from: rendered ones with truth, real ones with what is known."""

import json
from collections.abc import Sequence
from pathlib import Path

import augment
import cv2
import numpy as np
from dressform.imaging import parsing
from dressform.imaging.parsing import REGIONS, VIEWS

KINDS = parsing.KINDS[:-1]  # all but "unknown"
REGION_OF = {
    "skirt": "lower",
    "trousers": "lower",
    "dress": "dress",
    "dress_ls": "dress",
    "jacket": "layered",
}
UNWORN = ("hanger", "flatlay")
JOINTS = 18
# Long side that photos are read at: as large as the network ever sees them.
LONG_SIDE = 512
# Every so many scenes, one validates: with all of its looks, as they share their shapes.
VALIDATED = 12
# Real photos are few, and count more.
FLAT_TIMES = 3


def load(
    roots: Sequence[Path], flat: Path | None = None, limit: int | None = None
) -> tuple[list[augment.Scene], list[augment.Scene]]:
    """Returns the scenes to train on, and those to validate on.

    Args:
        roots: Folders of `<id>/photo.jpg`, `labels.png`, `meta.json` and `keypoints.json`.
        flat: Folder of real photos of lying garments, of which every second one is learned from;
            the others are never seen, so that the benchmark of flat garments stays honest.
        limit: Leaves out scenes of `training/scenes.py` with this number or a higher one.
    """
    folders = [path.parent for root in roots for path in sorted(root.glob("*/meta.json"))]
    if limit is not None:
        folders = [one for one in folders if not one.name.startswith("w") or number(one) < limit]
    train = [read(folder) for folder in folders if not validates(folder)]
    if flat is not None:
        train += [read_flat(path) for path in sorted(flat.glob("*.jpg"))[::2]] * FLAT_TIMES
    return train, [read(folder) for folder in folders if validates(folder)]


def number(folder: Path) -> int:
    """Returns the number in a scene's name: `t0012` and `w0012c` are 12."""
    return int("".join(filter(str.isdigit, folder.name)))


def validates(folder: Path) -> bool:
    return number(folder) % VALIDATED == 0


def read(folder: Path) -> augment.Scene:
    """Reads a rendered scene, reduced to LONG_SIDE where it is larger."""
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    found = cv2.imread(str(folder / "labels.png"), cv2.IMREAD_UNCHANGED)
    scale = min(1.0, LONG_SIDE / max(found.shape))
    image = _picture(folder / "photo.jpg", scale)
    joints = np.full((JOINTS, 2), np.nan)
    if (folder / "keypoints.json").exists():
        points = json.loads((folder / "keypoints.json").read_text(encoding="utf-8"))["keypoints"]
        joints = np.array([[point["x"], point["y"]] for point in points]) * scale
    found = cv2.resize(found, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    # What hangs or lies is never turned by much, whatever view the generator drew for it.
    unworn = meta["mannequin_type"] in UNWORN
    return augment.Scene(
        image,
        found,
        joints,
        KINDS.index(meta["mannequin_type"]),
        REGIONS.index(REGION_OF.get(meta["garment"], "upper")),
        VIEWS.index("front" if unworn else meta["view"].replace("_", "-")),
        float("nan") if unworn else meta["yaw"],
    )


def read_flat(path: Path) -> augment.Scene:
    """Reads a real photo of a lying garment, of which only kind and view are known."""
    height, width = cv2.imread(str(path)).shape[:2]
    image = _picture(path, min(1.0, LONG_SIDE / max(height, width)))
    unknown = np.full(image.shape[:2], augment.IGNORED, np.uint8)
    joints = np.full((JOINTS, 2), np.nan)
    return augment.Scene(image, unknown, joints, KINDS.index("flatlay"), -1, VIEWS.index("front"))


def _picture(path: Path, scale: float) -> np.ndarray:
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    if scale == 1:
        return image
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
