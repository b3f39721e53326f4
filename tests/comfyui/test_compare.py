"""`dressform compare` with two workflows, on the real server."""

import json

import numpy as np
import pytest
from dressform import cli
from PIL import Image

pytestmark = pytest.mark.comfyui

SCENES = {"red": (190, 40, 60), "blue": (40, 60, 190)}
SUITE = """\
schema = "dressform.suite/1"
seeds = [3, 4]
[gates]
veil = 2.0
[[targets]]
metric = "edge"
[workflow]
photo = "Photo.image"
seed = "Noise.value"
result = "Result"
"""


def node(kind, title=None, **inputs):
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": title or kind}}


def workflow(blur):
    """A cheap stand-in for a model: the photo, blurred; the seed is read and shown."""
    return {
        "1": node("LoadImage", "Photo", image="missing.png"),
        "2": node("ImageBlur", "Soften", image=["1", 0], blur_radius=blur, sigma=0.6),
        "3": node("SaveImage", "Result", images=["2", 0], filename_prefix="compare"),
        "4": node("PrimitiveInt", "Noise", value=0),
        "5": node("PreviewAny", "Seed", source=["4", 0]),
    }


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entries = []
    for name, color in SCENES.items():
        picture = np.full((160, 120, 3), 240, np.uint8)
        left = 20 if name == "red" else 45
        picture[30:140, left : left + 55] = color
        picture[40:130:6, left : left + 55] //= 2
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
        entries.append(f'[[scenes]]\nid = "{name}"\nphoto = "{name}.png"\n')
    (tmp_path / "suite.toml").write_text(SUITE + "".join(entries), encoding="utf-8")
    for arm, blur in (("old", 1), ("new", 3)):
        (tmp_path / f"{arm}.json").write_text(json.dumps(workflow(blur)), encoding="utf-8")
    return tmp_path


@pytest.fixture
def go(comfyui, capsys):
    def run(*more):
        sides = ("--baseline", "old.json", "--candidate", "new.json")
        arguments = ["compare", "--suite", "suite.toml", *sides, "--out", "rep", "--jobs", "1"]
        status = cli.main([*arguments, "--server", comfyui.url, *more])
        told = capsys.readouterr()
        return status, told.out + told.err

    return run


def test_workflows_run_over_scenes_and_seeds_and_again_from_where_they_were(shop, go):
    status, told = go()
    assert status in (4, 5), told  # the parser sees no garment in such drawings
    document = json.loads((shop / "rep" / "compare.json").read_text(encoding="utf-8"))
    [factor] = document["factors"]
    assert (factor["where"], factor["before"], factor["after"]) == ("Soften.blur_radius", "1", "3")
    pictures = sorted((shop / "rep" / "pictures").glob("*/*/*.png"))
    assert len(pictures) == 2 * 2 * 2
    assert (shop / "rep" / "pictures" / "candidate" / "blue" / "4.png") in pictures
    made_at = [path.stat().st_mtime_ns for path in pictures]
    first = (shop / "rep" / "compare.json").read_bytes()
    again, told = go()
    assert again == status, told
    assert [path.stat().st_mtime_ns for path in pictures] == made_at
    assert (shop / "rep" / "compare.json").read_bytes() == first


def test_two_changed_factors_are_refused_before_anything_runs(shop, go):
    changed = workflow(3)
    changed["2"]["inputs"]["sigma"] = 2.0
    (shop / "new.json").write_text(json.dumps(changed), encoding="utf-8")
    status, told = go()
    assert status == 1
    assert "one changed factor is required, got 2" in told
    assert "Soften.blur_radius" in told
    assert "Soften.sigma" in told
    assert not (shop / "rep").exists()


def test_unclear_result_is_told(shop, go):
    text = (shop / "suite.toml").read_text(encoding="utf-8").replace('"Result"', '"Nowhere"')
    (shop / "suite.toml").write_text(text, encoding="utf-8")
    status, told = go()
    assert status == 1
    assert "one picture must be the result of old.json" in told
    assert "Result" in told
