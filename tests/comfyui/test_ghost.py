"""The shipped ghost workflows, in both of their forms, on the real server."""

import io
from pathlib import Path

import numpy as np
import pytest
from dressform.comfyui import run
from dressform.imaging import provenance
from PIL import Image

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples" / "headless"

pytestmark = pytest.mark.comfyui


@pytest.fixture
def ghost(comfyui, tmp_path):
    """Runs a workflow on small photos: the saved picture, its map, and the legend's size."""

    def start(form, **photos):
        settings = []
        for title, name in photos.items():
            small = tmp_path / name
            with Image.open(SAMPLES / name) as photo:
                photo.thumbnail((384, 384))
                photo.save(small)
            settings.append(f"{title.replace('_', ' ')}.image={small}")
        out = tmp_path / "out"
        done = run.run(
            ROOT / "workflows" / form, comfyui.url, out, settings=settings, stream=io.StringIO()
        )
        names = {title: node for node, title in done.titles.items()}
        [saved] = done.outputs[names["Transparent PNG with its map"]]["files"]
        [legend] = done.outputs[names["What was made up"]]["files"]
        with Image.open(out / saved) as picture, Image.open(out / legend) as shown:
            assert picture.mode == "RGBA"
            assert shown.width == picture.width
            return np.asarray(picture), provenance.from_metadata(picture.text)

    return start


@pytest.mark.parametrize("folder", ["", "api/"], ids=["editor", "machine"])
def test_workflow_for_one_photo_fills_the_neck(ghost, folder):
    picture, sources = ghost(f"{folder}ghost_mannequin.json", Mannequin_photo="photo.jpg")
    assert picture.shape[:2] == sources.shape == (384, 288)
    assert (sources[picture[..., 3] > 0] != provenance.NOTHING).all()
    assert np.count_nonzero(sources == provenance.INVENTED) > 100
    assert not (sources == provenance.SECOND_PHOTO).any()


@pytest.mark.parametrize("folder", ["", "api/"], ids=["editor", "machine"])
def test_workflow_for_two_photos_fills_the_neck_from_the_second(ghost, folder):
    _, sources = ghost(
        f"{folder}ghost_mannequin_two_photos.json",
        Mannequin_photo="photo.jpg",
        Inside_of_the_back="inside.jpg",
    )
    assert np.count_nonzero(sources == provenance.SECOND_PHOTO) > 100
