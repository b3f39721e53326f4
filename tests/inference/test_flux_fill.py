"""FLUX.1 Fill paints the person's half of the canvas as its pipeline does."""

import numpy as np
import pytest
from dressform.inference import flux_fill, references
from dressform.inference.painter import PaintRequest, Setup
from paintings import alike

pytestmark = pytest.mark.usefixtures("diffusers")


@pytest.fixture(scope="module")
def paths(tiny):
    return tiny("flux")


@pytest.fixture(scope="module")
def painter(paths):
    loaded = flux_fill.load(paths, Setup())
    yield loaded
    loaded.close()


@pytest.fixture
def asked():
    draw = np.random.default_rng(0)
    mask = np.zeros((96, 64), np.float32)
    mask[30:60, 20:48] = 1
    return PaintRequest(
        image=draw.integers(0, 255, (96, 64, 3), np.uint8),
        mask=mask,
        garments=(draw.integers(0, 255, (96, 64, 3), np.uint8),),
        seeds=(5,),
        steps=3,
        region="upper",
    )


def silent(done, total):
    """Progress that nobody watches."""


@pytest.mark.parametrize("guidance", [None, 10.0])
def test_it_paints_what_the_pipeline_paints(diffusers, paths, painter, asked, guidance):
    import torch

    pipeline = diffusers.FluxFillPipeline.from_pretrained(
        paths["flux1-fill-dev"], local_files_only=True
    )
    pipeline.load_lora_weights(paths["catvton-flux-lora"] / flux_fill.LORA)
    pipeline.set_progress_bar_config(disable=True)
    canvas = np.concatenate([asked.garments[0], asked.image], axis=1)
    mask = np.concatenate([np.zeros((96, 64), np.uint8), np.uint8(255 * asked.mask)], axis=1)
    whole = pipeline(
        prompt=flux_fill.prompt("upper", "Red."),
        image=references.picture(canvas),
        mask_image=references.picture(mask),
        width=128,
        height=96,
        guidance_scale=guidance or 30.0,
        num_inference_steps=3,
        generator=torch.Generator().manual_seed(5),
    ).images[0]
    painted = painter.paint(asked._replace(guidance=guidance, prompt=" Red. "), silent)[0]
    assert alike(painted, np.asarray(whole)[:, 64:])


def test_what_was_under_the_mask_does_not_matter(painter, asked):
    other = asked.image.copy()
    other[asked.mask > 0] = 0
    first = painter.paint(asked, silent)[0]
    assert alike(painter.paint(asked._replace(image=other), silent)[0], first)


def test_the_words_name_the_garment_and_end_with_the_users():
    assert "a dress;" in flux_fill.prompt("dress", "")
    assert "a clothing;" in flux_fill.prompt("", "")
    assert flux_fill.prompt("", " Red. ").endswith(" setting. Red.")


@pytest.mark.parametrize("count", [0, 2])
def test_it_takes_one_garment(painter, asked, count):
    with pytest.raises(ValueError, match=r"garment|reference"):
        painter.paint(asked._replace(garments=asked.garments * count), silent)
