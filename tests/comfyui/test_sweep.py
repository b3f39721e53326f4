"""A sweep on a real ComfyUI: one press, a run for each cell, a sheet and a suite at the end."""

import asyncio
import json
import time
import urllib.request

import pytest
from dressform.comfyui.client import Client
from dressform.imaging import pictures
from dressform.quality.compare import suite
from PIL import Image

pytestmark = pytest.mark.comfyui

TIMEOUT_S = 120
SWEEP, SHEET = "3", "4"


def graph(grid, name, **options):
    return {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": 64, "height": 48, "batch_size": 1, "color": 255},
            "_meta": {"title": "Picture"},
        },
        "2": {
            "class_type": "ImageScale",
            "inputs": {
                "image": ["1", 0],
                "upscale_method": "area",
                "width": 64,
                "height": 96,
                "crop": "disabled",
            },
            "_meta": {"title": "Scale"},
        },
        SWEEP: {
            "class_type": "DressformSweep",
            "inputs": {
                "image": ["2", 0],
                "grid": grid,
                "name": name,
                "seed_input": "",
                "seeds": "1, 2",
                "photo_input": "",
                "scenes": "",
                **options,
            },
        },
        SHEET: {
            "class_type": "SaveImage",
            "inputs": {"images": [SWEEP, 1], "filename_prefix": f"{name}_sheet"},
        },
    }


def press_run(comfyui, prompt):
    """Runs the prompt and what it queues; returns the nodes that ran in the first run."""

    async def go():
        ran = set()
        async with Client(comfyui.url) as client:
            await client.execute(
                prompt, lambda event: ran.add(event.node) if event.kind == "node" else None
            )
        return ran

    ran = asyncio.run(go())
    deadline = time.monotonic() + TIMEOUT_S
    while any(ask(comfyui, "/queue").values()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return ran


def ask(comfyui, path):
    with urllib.request.urlopen(comfyui.url + path) as answer:  # noqa: S310 (loopback)
        return json.loads(answer.read())


def level(path):
    return pictures.open_picture(path)[0, 0].tolist()


def test_one_press_makes_every_cell_and_a_sheet(comfyui):
    prompt = graph("Picture.color = 255 | 65280\nScale.width = 64 | 32", "both")
    assert not press_run(comfyui, prompt) & {"1", "2"}  # the first run only plans
    folder = comfyui.base / "output" / "sweeps" / "both"
    told = json.loads((folder / "sweep.json").read_text())
    assert [one["label"] for one in told["variants"]] == [
        "color 255, width 64",
        "color 255, width 32",
        "color 65280, width 64",
        "color 65280, width 32",
    ]
    found = [folder / one["pictures"] / "picture" / "0.png" for one in told["variants"]]
    assert [level(path) for path in found] == [[0, 0, 255]] * 2 + [[0, 255, 0]] * 2
    assert [pictures.open_picture(path).shape[1] for path in found] == [64, 32, 64, 32]
    with Image.open(found[3]) as picture:
        inside = json.loads(picture.info["prompt"])
    assert (inside["1"]["inputs"]["color"], inside["2"]["inputs"]["width"]) == (65280, 32)
    [sheet] = (comfyui.base / "output").glob("both_sheet*.png")
    colors = set(map(tuple, pictures.open_picture(sheet).reshape(-1, 3)))
    assert {(0, 0, 255), (0, 255, 0)} <= colors
    alone = json.loads((folder / "variants" / "03.json").read_text())
    assert (alone["1"]["inputs"]["color"], alone[SWEEP]["class_type"]) == (65280, "SaveImage")
    assert SHEET not in alone  # it hung on the sweep


def test_a_second_press_makes_only_what_is_missing(comfyui):
    prompt = graph("Picture.color = 1 | 2 | 3", "again")
    press_run(comfyui, prompt)
    folder = comfyui.base / "output" / "sweeps" / "again" / "pictures"
    (folder / "02" / "picture" / "0.png").unlink()
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*.png")}
    press_run(comfyui, prompt)
    assert len(list(folder.rglob("*.png"))) == 3
    assert {p: p.stat().st_mtime_ns for p in before} == before
    changed = graph("Picture.color = 1 | 4", "again")
    press_run(comfyui, changed)  # another sweep of the same name gets a folder of its own
    assert len(list((folder.parents[1] / "again-2").rglob("*/0.png"))) == 2
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_photos_and_seeds_become_a_suite(comfyui):
    photos = comfyui.base / "input" / "sweep_photos"
    photos.mkdir(exist_ok=True)
    for name, color in (("coat", (200, 0, 0)), ("shirt", (0, 0, 200))):
        Image.new("RGB", (40, 60), color).save(photos / f"{name}.png")
    prompt = graph("Scale.width = 64 | 32", "suite")
    prompt["1"] = {
        "class_type": "LoadImage",
        "inputs": {"image": "sweep_photos/coat.png"},
        "_meta": {"title": "Photo"},
    }
    inputs = {"photo_input": "Photo.image", "scenes": "sweep_photos", "seed_input": "Scale.height"}
    prompt[SWEEP]["inputs"].update(inputs, seeds="48, 96")
    press_run(comfyui, prompt)
    folder = comfyui.base / "output" / "sweeps" / "suite"
    found = {
        path.relative_to(folder / "pictures").as_posix()
        for path in (folder / "pictures").rglob("*.png")
    }
    assert found == {
        f"{variant}/{scene}/{seed}.png"
        for variant in ("01", "02")
        for scene in ("coat", "shirt")
        for seed in (48, 96)
    }
    assert level(folder / "pictures" / "01" / "shirt" / "96.png") == [0, 0, 200]
    read = suite.load(folder / "suite.toml")
    assert {one.id: one.files["photo"].resolve() for one in read.scenes} == {
        name: (photos / f"{name}.png").resolve() for name in ("coat", "shirt")
    }


@pytest.mark.parametrize(
    ("grid", "options", "message"),
    [
        ("Picture.color = 1 | lots", {}, "must be a number"),
        ("Nobody.color = 1", {}, "must name one node"),
        ("Scale.upscale_method = area | magic", {}, "one that ComfyUI can run"),
        ("Picture.color = 1", {"name": "../x"}, "inside ComfyUI's output folder"),
        ("Picture.color = 1", {"scenes": "x"}, "photo_input is required"),
    ],
    ids=["value", "node", "choice", "folder", "photo"],
)
def test_what_cannot_be_run_is_told_before_anything_is(comfyui, grid, options, message):
    with pytest.raises(RuntimeError, match=message):
        press_run(comfyui, graph(grid, **{"name": "wrong", **options}))
    assert not list((comfyui.base / "output" / "sweeps").glob("wrong/pictures/*"))
