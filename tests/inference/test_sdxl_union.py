"""SDXL with union ControlNet paints as its pipeline does, on tiny weights of the real layout."""

import contextlib
import shutil
import socket
import weakref
from typing import Any, NamedTuple

import numpy as np
import pytest
import tiny_lora
import tiny_sdxl
from dressform.inference import engine, references, sdxl_union
from dressform.inference.painter import TASKS, Lora, PaintRequest, Setup
from paintings import alike

pytestmark = [
    pytest.mark.usefixtures("diffusers"),
    # diffusers' Euler scheduler hands tensors to numpy 2 as numpy 1 took them.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
SIZE = (96, 64)


@pytest.fixture(scope="module")
def paths(tiny):
    return tiny("sdxl")


@contextlib.contextmanager
def offline():
    """Every connection is an error."""

    def refuse(*_):
        raise AssertionError("nothing may be fetched")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        yield


def loaded(paths, *left_out):
    with offline():
        chosen = {key: path for key, path in paths.items() if key not in left_out}
        return sdxl_union.load(chosen, Setup())


@pytest.fixture(scope="module")
def painter(paths):
    """With everything that it can use."""
    made = loaded(paths)
    yield made
    made.close()


@pytest.fixture(scope="module")
def plain(paths):
    """Without what is optional."""
    made = loaded(paths, "sdxl-vae-fp16-fix", "ip-adapter-sdxl")
    yield made
    made.close()


@pytest.fixture
def asked():
    draw = np.random.default_rng(0)
    mask = np.zeros(SIZE, np.float32)
    mask[30:60, 20:48] = 1
    mask[60:62, 20:48] = 0.3  # the pipeline draws the line at the half
    mask[28:30, 20:48] = 0.5
    lines = np.zeros((*SIZE, 3), np.uint8)
    lines[20:80, 30:34] = (255, 80, 0)
    return PaintRequest(
        image=draw.integers(0, 255, (*SIZE, 3), np.uint8),
        mask=mask,
        garments=(draw.integers(0, 255, (70, 90, 3), np.uint8),),
        skeleton=lines,
        scribble=lines[..., 0],
        task=TASKS[1],
        prompt="a woman in a grey studio",
        negative_prompt="drawing",
        seeds=(5,),
        steps=3,
    )


def silent(done, total):
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def bare(diffusers, paths, tmp_path_factory):
    """The pipeline as a user loads it who follows diffusers' manual; with or without extras."""
    control = shutil.copytree(
        paths["controlnet-union-sdxl-promax"], tmp_path_factory.mktemp("user") / "control"
    )
    for name, plain_name in zip(
        tiny_sdxl.PROMAX_NAMES, ("config.json", "diffusion_pytorch_model.safetensors"), strict=True
    ):
        (control / name).rename(control / plain_name)

    def load(*, extras):
        from transformers import CLIPVisionModelWithProjection

        parts = {"controlnet": diffusers.ControlNetUnionModel.from_pretrained(control)}
        if extras:
            parts["vae"] = diffusers.AutoencoderKL.from_pretrained(paths["sdxl-vae-fp16-fix"])
            parts["image_encoder"] = CLIPVisionModelWithProjection.from_pretrained(
                paths["ip-adapter-sdxl"] / "models" / "image_encoder"
            )
        pipeline = diffusers.StableDiffusionXLControlNetUnionInpaintPipeline.from_pretrained(
            paths["sdxl-base"], add_watermarker=False, **parts
        )
        pipeline.set_progress_bar_config(disable=True)
        if extras:
            pipeline.load_ip_adapter(
                str(paths["ip-adapter-sdxl"]),
                subfolder="sdxl_models",
                weight_name="ip-adapter-plus_sdxl_vit-h.safetensors",
            )
            pipeline.set_ip_adapter_scale(0.5)
        return pipeline

    return load


def by_hand(pipeline, asked, *, control=None, **extra):
    """What a user of the pipeline gets who gives it the same; numbers of the control types."""
    import torch

    skeleton = references.picture(asked.skeleton)
    scribble = references.picture(np.repeat(asked.scribble[..., None], 3, axis=2))
    images, modes = control or ([skeleton, scribble], [0, 2])
    return np.asarray(
        pipeline(
            prompt=asked.prompt,
            negative_prompt=asked.negative_prompt,
            image=references.picture(asked.image),
            mask_image=references.picture(np.rint(255 * asked.mask).astype(np.uint8)),
            control_image=images,
            control_mode=modes,
            height=asked.image.shape[0],
            width=asked.image.shape[1],
            strength=1.0,
            guidance_scale=5.0,
            num_inference_steps=asked.steps,
            generator=torch.Generator().manual_seed(asked.seeds[0]),
            **extra,
        ).images[0]
    )


class Spied(NamedTuple):
    """What is painted, and what the pipeline worked with."""

    picture: np.ndarray
    mask: Any
    timesteps: Any
    sigmas: Any
    hints: tuple  # pictures for the ControlNet
    kinds: list  # their control types


def spied(pipeline, paint):
    masks, controls, real = [], [], pipeline.prepare_mask_latents

    def prepare(mask, *rest, **options):
        masks.append(mask.clone())
        return real(mask, *rest, **options)

    pipeline.prepare_mask_latents = prepare
    hook = pipeline.controlnet.register_forward_pre_hook(
        lambda network, arguments, options: controls.append(options), with_kwargs=True
    )
    try:
        painted = paint()
    finally:
        del pipeline.prepare_mask_latents
        hook.remove()
    [mask] = masks
    scheduler = pipeline.scheduler
    hints = tuple(one.clone() for one in controls[0]["controlnet_cond"])
    kinds = list(controls[0]["control_type_idx"])
    return Spied(painted, mask, scheduler.timesteps.clone(), scheduler.sigmas.clone(), hints, kinds)


def test_the_table_of_engines_names_the_module_and_the_weights(tiny):
    entry = engine.ENGINES["sdxl-union"]
    assert engine.module("sdxl-union") is sdxl_union
    assert {*entry.weights, *entry.optional} == set(tiny("sdxl"))


def test_it_paints_what_the_pipeline_paints(plain, bare, asked):
    import torch

    pipeline = bare(extras=False)
    mine = spied(plain.pipeline, lambda: plain.paint(asked, silent)[0])
    theirs = spied(pipeline, lambda: by_hand(pipeline, asked))
    assert alike(mine.picture, theirs.picture)
    for one, other in zip((*mine[1:4], *mine.hints), (*theirs[1:4], *theirs.hints), strict=True):
        assert torch.equal(one, other)
    assert mine.kinds == theirs.kinds == [0, 2]
    assert type(plain.pipeline.scheduler) is type(pipeline.scheduler)
    assert plain.pipeline.scheduler.config == pipeline.scheduler.config
    # The half of a pixel belongs to the mask, less does not.
    assert mine.mask[0, 0, 28:62, 20:48].mean(1).tolist() == [1.0] * 32 + [0.0] * 2
    assert mine.mask.sum() == 32 * 28


def test_each_hint_reaches_the_network_as_what_it_is(plain, asked):
    # What tiny random weights make of a hint is less than a level of the picture.
    both = spied(plain.pipeline, lambda: plain.paint(asked, silent))
    for hint, number, kind in (("skeleton", 0, 0), ("scribble", 1, 2)):
        moved = asked._replace(**{hint: np.roll(getattr(asked, hint), 10, axis=1)})
        seen = spied(plain.pipeline, lambda moved=moved: plain.paint(moved, silent))
        assert not both.hints[number].equal(seen.hints[number])
        assert both.hints[1 - number].equal(seen.hints[1 - number])
        other = {"skeleton": "scribble", "scribble": "skeleton"}[hint]
        alone = asked._replace(**{other: None})
        seen = spied(plain.pipeline, lambda alone=alone: plain.paint(alone, silent))
        assert seen.kinds == [kind]
        assert seen.hints[0].equal(both.hints[number])


def test_with_autoencoder_and_picture_prompts_it_paints_what_the_pipeline_paints(
    painter, bare, asked
):
    asked = asked._replace(person=255 - asked.garments[0])
    seen = [references.picture(one) for one in (*asked.garments, asked.person)]
    expected = by_hand(bare(extras=True), asked, ip_adapter_image=[seen])
    assert alike(painter.paint(asked, silent)[0], expected)


def test_without_hints_the_pipeline_is_told_what_to_repaint(plain, bare, asked):
    kept = np.where(asked.mask[..., None] > 0, np.uint8(0), asked.image)
    expected = by_hand(bare(extras=False), asked, control=([references.picture(kept)], [7]))
    painted = plain.paint(asked._replace(skeleton=None, scribble=None), silent)[0]
    assert alike(painted, expected)


def test_without_words_steps_and_guidance_the_engines_own_are_taken(plain, asked):
    seen = []
    own = plain.paint(asked._replace(prompt="", steps=0), lambda *counts: seen.append(counts))[0]
    assert seen[-1] == (plain.spec.steps, plain.spec.steps)
    said = asked._replace(
        prompt=sdxl_union.PROMPT, steps=plain.spec.steps, guidance=plain.spec.guidance
    )
    assert alike(plain.paint(said, silent)[0], own)


@pytest.mark.parametrize("change", ["garment", "person", "words", "not", "mask"])
def test_what_is_asked_changes_what_is_painted(painter, asked, change):
    other = {
        "garment": {"garments": (255 - asked.garments[0],)},
        "person": {"person": 255 - asked.garments[0]},
        "words": {"prompt": "red sequins"},
        "not": {"negative_prompt": "grey"},
        "mask": {"mask": np.ones_like(asked.mask)},
    }[change]
    first = painter.paint(asked, silent)[0]
    assert first.shape == asked.image.shape
    assert not alike(first, painter.paint(asked._replace(**other), silent)[0])


def test_no_reference_is_as_no_picture_prompt_at_all(paths, painter, asked):
    alone = loaded(paths, "ip-adapter-sdxl")
    nothing = asked._replace(garments=())
    expected = alone.paint(nothing, silent)[0]
    alone.close()
    painter.paint(asked, silent)
    assert alike(painter.paint(nothing, silent)[0], expected)


def test_a_seed_paints_the_same_whatever_other_seeds_there_are(paths, painter, asked):
    alone = painter.paint(asked._replace(seeds=(2**64 - 1,)), silent)
    among = painter.paint(asked._replace(seeds=(3, 2**64 - 1, 4)), silent)
    assert len(among) == 3
    assert alike(alone[0], among[1])
    assert not alike(among[0], among[1])
    fresh = loaded(paths)
    assert alike(fresh.paint(asked._replace(seeds=(2**64 - 1,)), silent)[0], alone[0])
    fresh.close()


def test_progress_counts_every_step_of_every_seed(painter, asked):
    seen = []
    painter.paint(asked._replace(seeds=(1, 2)), lambda *counts: seen.append(counts))
    assert seen == [(done, 6) for done in range(1, 7)]


def test_an_interruption_leaves_within_its_step_and_harms_nothing(painter, asked):
    before = painter.paint(asked, silent)[0]
    told, worked = [], []

    def interrupt(done, total):
        told.append((done, len(worked)))
        if done == 2:
            raise KeyboardInterrupt

    unet = painter.pipeline.unet
    hook = unet.register_forward_pre_hook(lambda *_: worked.append(1))
    try:
        with pytest.raises(KeyboardInterrupt):
            painter.paint(asked._replace(steps=9), interrupt)
    finally:
        hook.remove()
    assert told == [(1, 1), (2, 2)]
    assert len(worked) == 2
    assert alike(painter.paint(asked, silent)[0], before)


def weights_of(network):
    return {name: value.numpy().copy() for name, value in network.state_dict().items()}


def test_a_lora_changes_the_picture_and_leaves_no_trace(painter, asked, tmp_path):
    unet = painter.pipeline.unet
    lora = tiny_lora.write(tmp_path / "shiny.safetensors", unet)
    before, weights = painter.paint(asked, silent)[0], weights_of(unet)
    painter.set_loras([Lora(lora)])
    worn = painter.paint(asked, silent)[0]
    painter.set_loras([])
    assert not alike(worn, before)
    assert alike(painter.paint(asked, silent)[0], before)
    after = weights_of(unet)
    assert list(after) == list(weights)
    assert all(np.array_equal(after[name], weights[name]) for name in weights)


def test_closing_frees_the_networks(paths, asked):
    painter = loaded(paths)
    painter.paint(asked, silent)
    held = {name: weakref.ref(network) for name, network in painter.modules().items()}
    assert {"unet", "controlnet", "vae", "image_encoder", "text_encoder"} <= set(held)
    painter.close()
    assert [name for name, network in held.items() if network() is not None] == []


@pytest.mark.parametrize(
    "setup",
    [
        Setup(dtype="bfloat16", quantization="fp8"),
        Setup(vae_tiling=True),
        Setup(offload="group"),
    ],
    ids=["fp8", "tiles", "group"],
)
def test_every_setup_paints_deterministically(paths, asked, setup):
    painter = sdxl_union.load(paths, setup)
    first, second = (painter.paint(asked, silent)[0] for _ in range(2))
    assert first.shape == asked.image.shape
    assert first.std() > 0
    assert alike(first, second, most=1)
    painter.close()


def test_controlnet_files_of_the_usual_names_are_read_too(paths, plain, asked, tmp_path):
    usual = ("config.json", "diffusion_pytorch_model.safetensors")
    folder = tiny_sdxl.write_controlnet(tmp_path / "control", names=usual)
    chosen = {"sdxl-base": paths["sdxl-base"], "controlnet-union-sdxl-promax": folder}
    painter = sdxl_union.load(chosen, Setup())
    assert alike(painter.paint(asked, silent)[0], plain.paint(asked, silent)[0])
    painter.close()


def test_an_incomplete_adapter_is_named(paths, tmp_path):
    with pytest.raises(RuntimeError, match=r"must hold one of ip-adapter-plus_sdxl_vit-h\.safe"):
        sdxl_union.load({**paths, "ip-adapter-sdxl": tmp_path}, Setup())


def test_a_crop_that_does_not_fit_is_refused(painter, asked):
    with pytest.raises(ValueError, match=r"sides that are multiples of 32, got 60x96\. "):
        painter.paint(asked._replace(image=asked.image[:, :60]), silent)
    with pytest.raises(ValueError, match=r"looks at 2 reference pictures at most, got 5\. "):
        painter.paint(asked._replace(garments=asked.garments * 5), silent)
