"""Qwen-Image-Edit paints as its pipeline does, and keeps what is not masked."""

import numpy as np
import pytest
import tiny_lora
from dressform.inference import qwen_edit, references
from dressform.inference.painter import TASKS, PaintRequest, Setup
from paintings import ROUNDING, alike

TRY_ON, MANNEQUIN_TO_MODEL = TASKS


@pytest.fixture(scope="module", autouse=True)
def small(diffusers):
    """The pipeline looks at a megapixel of everything; a hundredth is enough to test."""
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as edit_plus

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edit_plus, "VAE_IMAGE_SIZE", 128 * 128)
        patch.setattr(edit_plus, "CONDITION_IMAGE_SIZE", 64 * 64)
        yield


@pytest.fixture(scope="module")
def paths(tiny):
    return tiny("qwen")


@pytest.fixture(scope="module")
def painter(paths):
    loaded = qwen_edit.load(paths, Setup())
    yield loaded
    loaded.close()


@pytest.fixture
def asked():
    draw = np.random.default_rng(0)
    return PaintRequest(
        image=draw.integers(0, 255, (128, 128, 3), np.uint8),
        mask=np.ones((128, 128), np.float32),
        garments=(draw.integers(0, 255, (64, 80, 3), np.uint8),),
        task=MANNEQUIN_TO_MODEL,
        seeds=(5,),
        steps=3,
    )


def silent(done, total):
    """Progress that nobody watches."""


def direct(pipeline, request, prompt, **options):
    """What a user of the pipeline gets who gives it the same."""
    import torch

    pipeline.set_progress_bar_config(disable=True)
    pictures = [request.image, *request.garments]
    height, width = request.image.shape[:2]
    shown = pipeline(
        prompt=prompt,
        image=[references.picture(one) for one in pictures],
        height=height,
        width=width,
        num_inference_steps=request.steps,
        generator=torch.Generator().manual_seed(request.seeds[0]),
        **options,
    )
    return np.asarray(shown.images[0])


def told(painter, request):
    """The prompts that the painter gave its pipeline, and what it painted."""
    seen = []
    real = painter.pipeline.encode_prompt
    painter.pipeline.encode_prompt = lambda **options: seen.append(options) or real(**options)
    try:
        painted = painter.paint(request, silent)[0]
    finally:
        painter.pipeline.encode_prompt = real
    return [options["prompt"] for options in seen], painted


def test_it_paints_what_the_pipeline_paints(diffusers, paths, painter, asked):
    prompts, painted = told(painter, asked)
    assert len(prompts) == 2
    assert prompts[1] == " "
    pipeline = diffusers.QwenImageEditPlusPipeline.from_pretrained(
        paths["qwen-image-edit-2511"], local_files_only=True
    )
    expected = direct(pipeline, asked, prompts[0], negative_prompt=" ", true_cfg_scale=4.0)
    assert alike(painted, expected)


def test_pictures_are_numbered_as_the_pipeline_numbers_them(painter, asked):
    prompts, _ = told(painter, asked)
    assert "Picture 1" in prompts[0]
    assert "Picture 2 shows it again" in prompts[0]


def test_the_negative_prompt_counts(painter, asked):
    prompts, painted = told(painter, asked._replace(negative_prompt="blurred"))
    assert prompts[1] == "blurred"
    assert not alike(painted, painter.paint(asked, silent)[0])


def test_without_guidance_there_is_no_negative_prompt(painter, asked):
    prompts, _ = told(painter, asked._replace(guidance=1.0, negative_prompt="blurred"))
    assert len(prompts) == 1


def test_outside_the_mask_stays_what_the_autoencoder_makes_of_the_crop(painter, asked):
    import torch

    kept = asked._replace(mask=np.zeros_like(asked.mask))
    first = painter.paint(kept, silent)[0]
    assert alike(first, painter.paint(kept._replace(seeds=(6,)), silent)[0])
    pipeline = painter.pipeline
    with torch.no_grad():
        tensor = pipeline.image_processor.preprocess(references.picture(asked.image), 128, 128)
        latents = pipeline.vae.encode(tensor.unsqueeze(2)).latent_dist.mode()
        decoded = pipeline.vae.decode(latents, return_dict=False)[0][:, :, 0]
    expected = np.asarray(pipeline.image_processor.postprocess(decoded)[0])
    assert np.abs(first.astype(int) - expected).max() <= 1


@pytest.fixture
def decoded(painter):
    """The latents of every picture, as they come to the decoder."""
    latents = []
    vae = painter.pipeline.vae
    real = vae._decode
    vae._decode = lambda z, *rest: latents.append(z.numpy().copy()) or real(z, *rest)
    yield latents
    del vae._decode


def test_only_cells_with_a_masked_pixel_are_painted(painter, asked, decoded):
    one = np.zeros_like(asked.mask)
    one[40, 70] = 1  # in the second row and the third column of cells of 32 pixels
    for mask in (np.zeros_like(asked.mask), one):
        painter.paint(asked._replace(mask=mask), silent)
    kept, painted = decoded
    differs = np.abs(kept - painted).max(axis=(0, 1, 2)) > ROUNDING
    expected = np.zeros((8, 8), bool)
    expected[2:4, 4:6] = True
    assert np.array_equal(differs, expected)


def test_a_crop_of_another_size_is_painted_at_the_size_at_which_it_is_seen(painter, asked, decoded):
    asked = asked._replace(image=asked.image[:96, :64], mask=asked.mask[:96, :64])
    assert painter.paint(asked, silent)[0].shape == (96, 64, 3)
    # 128 x 128 pixels at 2 : 3, in multiples of 32, in latents of 16 pixels.
    assert decoded[0].shape[-2:] == (160 // 16, 96 // 16)


def test_a_single_step_is_refused(painter, asked):
    with pytest.raises(ValueError, match=r"steps must be at least 2 for qwen-edit, got 1\. "):
        painter.paint(asked._replace(steps=1), silent)


@pytest.fixture
def lightning(diffusers, paths, tmp_path):
    network = diffusers.QwenImageTransformer2DModel.from_pretrained(
        paths["qwen-image-edit-2511"], subfolder="transformer"
    )
    folder = tmp_path / "lightning"
    folder.mkdir()
    name = "Qwen-Image-Edit-2511-Lightning-8steps-V1.0-bf16.safetensors"
    tiny_lora.write(
        folder / name, network, component="transformer", layers=("to_q", "to_k"), seed=1
    )
    return folder


def test_lightning_brings_its_steps_and_its_scheduler(diffusers, paths, asked, lightning):
    painter = qwen_edit.load({**paths, qwen_edit.LIGHTNING: lightning}, Setup())
    assert (painter.spec.steps, painter.spec.guidance) == (8, 1.0)
    prompts, painted = told(painter, asked)
    assert len(prompts) == 1
    pipeline = diffusers.QwenImageEditPlusPipeline.from_pretrained(
        paths["qwen-image-edit-2511"], scheduler=painter.pipeline.scheduler, local_files_only=True
    )
    assert pipeline.scheduler.config.base_shift == pytest.approx(np.log(3))
    pipeline.load_lora_weights(next(lightning.iterdir()))
    expected = direct(pipeline, asked, prompts[0], true_cfg_scale=1.0)
    assert alike(painted, expected)
    painter.set_loras([])  # the engine's own LoRA stays
    assert alike(painter.paint(asked, silent)[0], painted)
    assert len(painter.paint(asked._replace(steps=1), silent)) == 1
    painter.close()


def test_two_lightning_files_are_not_guessed_between(paths, lightning):
    (lightning / "other.safetensors").write_bytes(b"")
    with pytest.raises(RuntimeError, match=r"must hold one \.safetensors file, got 2\. "):
        qwen_edit.load({**paths, qwen_edit.LIGHTNING: lightning}, Setup())
