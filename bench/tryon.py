"""Measures the warp engine on a garment that a person wears, beside a plain affine paste.

    python bench/tryon.py --truth FOLDER [--every N] [--sheet FILE]

FOLDER holds a folder for each scene, as the mannequin benchmark has them. Measured are those with
`model.jpg`, where a person wears the garment of `photo.jpg`; `labels.png` holds the labels of
photo.jpg, `body.png` the person's silhouette without clothes, `keypoints.json` its joints. In the
benchmark the person takes the mannequin's pose, has its figure and stands in its place: of the
garment's way only the errors of both parsings and poses are left, and a map that is nearly the
identity is the right one; the engine gains by seeing that nothing moved. Where a scene also has
`worn.png`, the labels of model.jpg, then body.png and keypoints.json are of model.jpg, and the
person may stand elsewhere in another pose: that is the harder half of the task.

The garment is cut out by the pack's own parser, never by true labels. The person given to the
engine does not show the answer: body.png is painted an even grey from the neck to wrists and
ankles, whatever it wears there, and wherever the worn garment lies; what that covers beside the
body, and a little more, becomes background that is grown in from the sides. Only true joints say
where grey ends, so its borders tell nothing of the garment's hem, neckline, sleeves or colours.
Pose and parsing of the person come from that picture too.

Truth is model.jpg where both the exact labels and the pack's parser on model.jpg say garment: the
parser leaves out the hair and hands that are in front of it. In this area are measured

* `ssim`: structural similarity of luma, in Gaussian windows whose statistics are masked sums
  divided by the mask's weight, so that nothing outside plays a part (more is better);
* `color`: mean CIEDE2000 by pixel (less is better).

`overlap`, intersection over union of garment and truth, shows who paints beyond the garment; it has
no bar. The baseline gets the same cut-out, as well matted and reduced against aliasing, and the
same two poses: an affine map, by weighted least squares through the joints that the engine itself
aligns by, resampled in cubics. Where one pose is taken for a back view and the other for a front
view, left and right are paired for both ways alike.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import resources
import scores
from dressform.imaging import labels, masks, parse, pictures, stitch
from dressform.imaging.color import to_lab
from dressform.imaging.drape import placing, skinning
from dressform.imaging.pose import Pose
from dressform.inference import engine, request, warp
from dressform.inference.engine import TryOnRequest
from dressform.quality import color
from tqdm import tqdm

BAR = 0.8  # share of the scenes in which the engine must be better on both numbers
COLUMNS = ("ssim", "color", "overlap")
GREY = 128  # of the neutral person
# Head, hands and feet stay as they are: from this share of the neck's bone up, and around the ends
# of limbs by these shares of the last bone; by eye.
CHIN, HEAD, HAND, FOOT = 0.35, 1.3, 0.8, 0.6
# The worn garment is made neutral a little beyond its edge, by this share of the long side: its
# soft edge and contact shadow would tell where it was.
BEYOND = 0.008
# Radius of the background that grows into where the garment hung, as a share of the long side.
GROWN = 0.004
# Standard deviation of the windows, in pixels, and the constants for luma in [0, 1]: Wang et al.
WINDOW_PX, LUMA_C, CONTRAST_C = 1.5, 0.01**2, 0.03**2
TILE_PX = 320  # long side of a picture of the sheet


class Scene(NamedTuple):
    """A garment and a person who wears it.

    Attributes:
        photo: (h, w, 3) uint8 sRGB, the garment on its mannequin.
        worn: (H, W, 3) uint8 sRGB, the person in the garment.
        cloth: (H, W) bool, where exact labels put the garment and its inside in `worn`.
        truth: (H, W) bool, the garment in `worn` as it is seen, without its inside.
        body: (H, W) bool, the person's silhouette without clothes.
        joints: Name to (2,) pixels of `worn`.
    """

    id: str
    kind: str
    photo: np.ndarray
    worn: np.ndarray
    cloth: np.ndarray
    truth: np.ndarray
    body: np.ndarray
    joints: dict[str, np.ndarray]


class Row(NamedTuple):
    """Both ways on one scene; `seconds` is the engine's own time."""

    id: str
    kind: str
    engine: dict[str, float]
    affine: dict[str, float]
    seconds: float


def read(folder: Path) -> Scene:
    """Reads one scene."""
    photo, worn = (pictures.open_picture(folder / f"{name}.jpg") for name in ("photo", "model"))
    own = folder / "worn.png"
    exact = _gray(own if own.exists() else folder / "labels.png")
    meta, told = (
        json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("meta", "keypoints")
    )
    return Scene(
        folder.name,
        meta["mannequin_type"],
        photo,
        worn,
        (exact == labels.GARMENT) | (exact == labels.INTERIOR),
        (exact == labels.GARMENT) & parse.parse(worn).garment,
        _gray(folder / "body.png") > 127,
        {point["name"]: np.array([point["x"], point["y"]]) for point in told["keypoints"]},
    )


def neutral(scene: Scene) -> np.ndarray:
    """Returns the person without the worn garment: a grey body, and background beside it."""
    long_side = max(scene.cloth.shape)
    gone = masks.grow(scene.cloth, round(BEYOND * long_side))
    # Grown from the background alone, so that neither skin nor cloth bleeds into it.
    unknown = gone | masks.grow(scene.body, 3)
    hidden = np.where(unknown[..., None], np.uint8(0), scene.worn)
    radius = max(1, round(GROWN * long_side))
    grown = cv2.inpaint(hidden, unknown.astype(np.uint8), radius, cv2.INPAINT_TELEA)
    result = np.where((gone & ~scene.body)[..., None], grown, scene.worn)
    # A skirt beside a hand is no hand.
    grey = scene.body & (gone | ~bare(scene.joints, scene.body.shape))
    return np.where(grey[..., None], np.uint8(GREY), result)


def bare(joints: dict[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Selects, (H, W) bool, where head, hands and feet are, which no garment of the sets covers."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    places = np.stack([columns, rows], -1).astype(np.float64)

    def beyond(start: np.ndarray, end: np.ndarray, share: float, reach: float) -> np.ndarray:
        bone = end - start
        length = max(float(np.hypot(*bone)), 1e-9)
        past = (places - start) @ (bone / length) > share * length
        return past & (np.hypot(*np.moveaxis(places - end, -1, 0)) < reach * length)

    kept = beyond(joints["Neck"], joints["Nose"], CHIN, HEAD)
    for side in "RL":
        kept |= beyond(joints[side + "Elbow"], joints[side + "Wrist"], 1.0, HAND)
        kept |= beyond(joints[side + "Knee"], joints[side + "Ankle"], 1.0, FOOT)
    return kept


def ask(scene: Scene) -> TryOnRequest:
    """Returns the request as the Try On node would make it."""
    parsing = parse.parse(scene.photo)
    return request.prepare(
        neutral(scene),
        scene.photo,
        parsing.garment.astype(np.float32),
        garment_parsing=parsing,
    )


def paste(asked: TryOnRequest) -> tuple[np.ndarray, np.ndarray]:
    """The baseline: the cut-out under one affine map; returns picture and opacity."""
    asked = warp.facing(asked)[0]
    cutout = warp.cut_out(asked)
    matrix = affine(cutout.pose, asked.person_pose, asked.region)
    size = asked.person.shape[1], asked.person.shape[0]
    painted = cv2.warpAffine(cutout.color, matrix, size, flags=cv2.INTER_CUBIC)
    alpha = cv2.warpAffine(cutout.alpha, matrix, size, flags=cv2.INTER_LINEAR)
    return stitch.stitch(asked.person, painted, alpha), alpha


def affine(source: Pose, target: Pose, region: str) -> np.ndarray:
    """Fits the (2, 3) affine map between the joints of a region by weighted least squares."""
    weights = placing.WEIGHTS["lower" if region == "lower" else "upper"]
    least = placing.LEAST_CONFIDENCE
    rows, wanted = [], []
    for name, weight in weights.items():
        sure = [max(pose.keypoints[name].confidence, least) for pose in (source, target)]
        root = np.sqrt(weight * sure[0] * sure[1])
        rows.append(root * np.append(skinning.point(source, name), 1))
        wanted.append(root * skinning.point(target, name))
    return np.linalg.lstsq(np.stack(rows), np.stack(wanted), rcond=None)[0].T


def measure(
    image: np.ndarray, alpha: np.ndarray, worn: np.ndarray, truth: np.ndarray
) -> dict[str, float]:
    """Measures a picture inside the truth.

    Args:
        image: (H, W, 3) uint8 sRGB, the result.
        alpha: (H, W) float32, opacity of the garment in it.
        worn: (H, W, 3) uint8 sRGB.
        truth: (H, W) bool, not empty.
    """
    away = color.ciede2000(to_lab(image)[truth], to_lab(worn)[truth])
    return {
        "ssim": float(ssim(color.luma(image), color.luma(worn), truth)[truth].mean()),
        "color": float(away.mean()),
        "overlap": scores.iou(alpha > 0.5, truth, np.ones_like(truth)),
    }


def ssim(first: np.ndarray, second: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns the (H, W) structural similarity of two lumas in [0, 1], by what the mask selects.

    Reference:
        Wang, Bovik, Sheikh and Simoncelli, Image quality assessment: from error visibility to
        structural similarity, IEEE Transactions on Image Processing 2004.
    """
    weight = np.maximum(_blur(mask.astype(np.float64)), 1e-12)

    def mean(values: np.ndarray) -> np.ndarray:
        return _blur(np.where(mask, values, 0.0)) / weight

    one, two = mean(first), mean(second)
    spread_one = mean(first.astype(np.float64) ** 2) - one**2
    spread_two = mean(second.astype(np.float64) ** 2) - two**2
    shared = mean(first.astype(np.float64) * second) - one * two
    light = (2 * one * two + LUMA_C) / (one**2 + two**2 + LUMA_C)
    return light * (2 * shared + CONTRAST_C) / (spread_one + spread_two + CONTRAST_C)


def _blur(values: np.ndarray) -> np.ndarray:
    # 11 x 11 as published; outside of the picture lies nothing.
    return cv2.GaussianBlur(values, (11, 11), WINDOW_PX, borderType=cv2.BORDER_CONSTANT)


def better(row: Row) -> bool:
    """Whether the engine beats the baseline on both numbers."""
    both = row.engine, row.affine
    return both[0]["ssim"] > both[1]["ssim"] and both[0]["color"] < both[1]["color"]


def run(scene: Scene) -> tuple[Row, list[np.ndarray]]:
    """Runs both ways; returns their numbers and the pictures to look at."""
    return run_asked(scene, ask(scene))


def run_asked(scene: Scene, asked: TryOnRequest) -> tuple[Row, list[np.ndarray]]:
    """Runs both ways on a request that was made before."""
    begun = time.perf_counter()
    result = engine.load("warp").run(asked, lambda done, total: None)
    spent = time.perf_counter() - begun
    pasted, alpha = paste(asked)
    ours = measure(result.image, result.garment, scene.worn, scene.truth)
    theirs = measure(pasted, alpha, scene.worn, scene.truth)
    looks = [scene.photo, asked.person, pasted, result.image, scene.worn]
    return Row(scene.id, scene.kind, ours, theirs, spent), looks


def print_table(title: str, groups: dict[str, list[Row]]) -> None:
    """Prints means by group: the engine's, the baseline's, and how often the engine is better."""
    heads = "".join(f"{name:>10}{'affine':>9}" for name in COLUMNS)
    print(f"\n{title:14}{'n':>4}{heads}{'better':>9}{'seconds':>9}")
    for name, rows in groups.items():
        cells = "".join(
            f"{_mean(r.engine[column] for r in rows):10.4f}"
            f"{_mean(r.affine[column] for r in rows):9.4f}"
            for column in COLUMNS
        )
        share, spent = _mean(better(r) for r in rows), _mean(r.seconds for r in rows)
        print(f"{name:14}{len(rows):4}{cells}{share:9.2f}{spent:9.2f}")


def conclude(rows: Sequence[Row]) -> dict:
    """Returns the last line's object."""
    share = _mean(better(row) for row in rows)
    bar = {"value": round(share, 4), "bar": BAR, "ok": share >= BAR}
    means = {
        name: {
            "engine": round(_mean(row.engine[name] for row in rows), 4),
            "affine": round(_mean(row.affine[name] for row in rows), 4),
        }
        for name in COLUMNS
    }
    return {"bench": "tryon", "scenes": len(rows), "bars": {"better_on_both": bar}, **means}


def sheet(looks: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Joins pictures to rows: photo, neutral person, affine, engine, truth."""
    rows = []
    for pictures_of in looks:
        tiles = []
        for picture in pictures_of:
            scale = TILE_PX / picture.shape[0]
            size = max(1, round(picture.shape[1] * scale)), TILE_PX
            tiles.append(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
        rows.append(np.hstack(tiles))
    width = max(row.shape[1] for row in rows)
    pad = ((0, 0), (0, 0), (0, 0))
    return np.vstack([np.pad(row, (pad[0], (0, width - row.shape[1]), pad[2])) for row in rows])


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--truth", type=Path, required=True, metavar="FOLDER")
    options.add_argument("--every", type=int, default=1, metavar="N", help="each N-th scene only")
    options.add_argument("--sheet", type=Path, metavar="FILE", help="a picture of all results")
    chosen = options.parse_args()
    folders = [path.parent for path in sorted(chosen.truth.glob("*/model.jpg"))][:: chosen.every]
    if not folders:
        raise SystemExit("no scenes found: --truth must hold folders with model.jpg")
    print(f"{len(folders)} scenes with a person, {resources.keep_to_cores()} cores")
    rows, looks = [], []
    for folder in tqdm(folders, unit="scene", disable=None):
        row, seen = run(read(folder))
        rows.append(row)
        looks.append(seen if chosen.sheet else [])
    kinds = sorted({row.kind for row in rows})
    print_table("scene", {f"{row.id} {row.kind}"[:14]: [row] for row in rows})
    print_table("kind", {kind: [r for r in rows if r.kind == kind] for kind in kinds})
    print_table("all", {"all": rows})
    if chosen.sheet:
        pictures.save_picture(chosen.sheet, sheet(looks))
    print(json.dumps(conclude(rows)))


def _gray(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)


def _mean(values) -> float:
    return float(np.mean(list(values)))


if __name__ == "__main__":
    main()
