"""What every editor promises, on tiny weights of the real layout."""

import contextlib
import shutil
import socket
import weakref

import numpy as np
import pytest
import tiny_lora
from dressform.inference import engine, flux2_klein, flux_fill, qwen_edit
from dressform.inference.painter import Lora, PaintRequest, Setup
from paintings import alike

EDITORS = {
    "flux2": ("flux2-klein", flux2_klein),
    "qwen": ("qwen-edit", qwen_edit),
    "flux": ("flux-fill", flux_fill),
}


@pytest.fixture(scope="module", autouse=True)
def small_qwen(diffusers):
    """Qwen's pipeline looks at a megapixel of everything; a hundredth is enough to test."""
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as edit_plus

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edit_plus, "VAE_IMAGE_SIZE", 96 * 96)
        patch.setattr(edit_plus, "CONDITION_IMAGE_SIZE", 64 * 64)
        yield


@contextlib.contextmanager
def offline():
    """Every connection is an error."""

    def refuse(*_):
        raise AssertionError("nothing may be fetched")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        yield


@pytest.fixture(scope="module", params=EDITORS)
def editor(request, tiny):
    """The weights of an editor and its module."""
    return tiny(request.param), EDITORS[request.param][1]


@pytest.fixture(scope="module")
def painter(editor):
    paths, module = editor
    with offline():
        loaded = module.load(paths, Setup())
    yield loaded
    loaded.close()


@pytest.fixture
def asked():
    draw = np.random.default_rng(0)
    mask = np.zeros((96, 64), np.float32)
    mask[32:64, 16:48] = 1
    return PaintRequest(
        image=draw.integers(0, 255, (96, 64, 3), np.uint8),
        mask=mask,
        garments=(draw.integers(0, 255, (70, 90, 3), np.uint8),),
        seeds=(5,),
        steps=2,
    )


def silent(done, total):
    """Progress that nobody watches."""


def test_the_table_of_engines_names_the_module_and_the_weights(tiny):
    for key, (name, module) in EDITORS.items():
        entry = engine.ENGINES[name]
        assert engine.module(name) is module
        assert set(entry.weights) == set(tiny(key))


def test_a_picture_of_the_crops_size_is_painted_for_each_seed(painter, asked):
    painted = painter.paint(asked._replace(seeds=(1, 2)), silent)
    assert [one.shape for one in painted] == [(96, 64, 3)] * 2
    assert [one.dtype for one in painted] == [np.uint8] * 2
    assert not alike(painted[0], painted[1])


def test_a_seed_paints_the_same_whatever_other_seeds_there_are(painter, asked):
    alone = painter.paint(asked._replace(seeds=(2**64 - 1,)), silent)
    among = painter.paint(asked._replace(seeds=(3, 2**64 - 1, 4)), silent)
    assert alike(alone[0], among[1])


def test_progress_counts_every_step_of_every_seed(painter, asked):
    seen = []
    painter.paint(asked._replace(seeds=(1, 2), steps=3), lambda *counts: seen.append(counts))
    assert seen == [(done, 6) for done in range(1, 7)]


def test_without_steps_the_engines_own_are_taken(painter, asked):
    seen = []
    painter.paint(asked._replace(steps=0), lambda *counts: seen.append(counts))
    assert seen[-1] == (painter.spec.steps, painter.spec.steps)


def test_an_interruption_leaves_within_its_step_and_harms_nothing(painter, asked):
    before = painter.paint(asked, silent)
    steps = []

    def interrupt(done, total):
        steps.append(done)
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        painter.paint(asked._replace(steps=5), interrupt)
    assert steps == [1, 2]
    assert alike(painter.paint(asked, silent)[0], before[0])


@pytest.mark.parametrize("change", ["garment", "words", "mask"])
def test_what_is_asked_changes_what_is_painted(painter, asked, change):
    other = {
        "garment": {"garments": (255 - asked.garments[0],)},
        "words": {"prompt": "Red sequins."},
        "mask": {"mask": np.ones_like(asked.mask)},
    }[change]
    first = painter.paint(asked, silent)[0]
    second = painter.paint(asked._replace(**other), silent)[0]
    assert not alike(first, second)


def test_what_is_encoded_once_is_not_encoded_again(painter, asked, monkeypatch):
    vae = painter.pipeline.vae
    pictures = []
    real = vae._encode
    monkeypatch.setattr(vae, "_encode", lambda x, *rest: pictures.append(x.shape) or real(x, *rest))
    texts = []
    encoder = painter.pipeline.text_encoder
    hook = encoder.register_forward_pre_hook(lambda *_: texts.append(1))
    try:
        fresh = asked._replace(image=np.roll(asked.image, 8, axis=1), prompt="Blue.")
        first = painter.paint(fresh, silent)
        assert pictures
        assert texts
        pictures.clear()
        texts.clear()
        again = painter.paint(fresh._replace(seeds=(5, 6)), silent)
        assert not pictures
        assert not texts
    finally:
        hook.remove()
    assert alike(first[0], again[0])


def test_a_remembered_garment_paints_what_a_new_engine_paints(editor, painter, asked):
    paths, module = editor
    painter.paint(asked._replace(image=255 - asked.image), silent)  # the garment is known now
    fresh = module.load(paths, Setup())
    assert alike(fresh.paint(asked, silent)[0], painter.paint(asked, silent)[0])
    fresh.close()


@pytest.fixture
def lora(editor, diffusers, painter, tmp_path):
    paths, _ = editor
    kind = getattr(diffusers, type(painter.pipeline.transformer).__name__)
    network = kind.from_pretrained(next(iter(paths.values())), subfolder="transformer")
    file = tmp_path / "shiny.safetensors"
    return tiny_lora.write(file, network, component="transformer", layers=("to_q", "to_k"))


def test_a_lora_changes_the_picture_and_leaves_no_trace(painter, asked, lora):
    before = painter.paint(asked, silent)[0]
    painter.set_loras([Lora(lora)])
    worn = painter.paint(asked, silent)[0]
    painter.set_loras([])
    assert not alike(worn, before)
    assert alike(painter.paint(asked, silent)[0], before)


def test_closing_frees_the_networks(editor, asked):
    paths, module = editor
    painter = module.load(paths, Setup())
    painter.paint(asked, silent)
    held = [weakref.ref(network) for network in painter.modules().values()]
    assert len(held) >= 3
    painter.close()
    assert [one() for one in held] == [None] * len(held)


@pytest.mark.parametrize(
    "setup",
    [
        Setup(dtype="bfloat16"),
        Setup(dtype="bfloat16", quantization="fp8"),
        Setup(vae_tiling=True),
        Setup(attention="native"),
        Setup(speed="cached"),
        Setup(offload="model"),
        Setup(offload="group", dtype="bfloat16", quantization="fp8"),
    ],
    ids=["bfloat16", "fp8", "tiles", "attention", "cached", "model", "group"],
)
def test_every_setup_paints_deterministically_after_an_interruption(editor, asked, setup):
    paths, module = editor
    painter = module.load(paths, setup)

    def interrupt(done, total):
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        painter.paint(asked._replace(steps=3, seeds=(1,)), interrupt)
    first, second = (painter.paint(asked, silent)[0] for _ in range(2))
    assert first.shape == (96, 64, 3)
    assert first.std() > 0
    assert alike(first, second, most=1)
    painter.close()


def test_fp8_and_lora_work_together(editor, asked, lora):
    paths, module = editor
    painter = module.load(paths, Setup(dtype="bfloat16", quantization="fp8"))
    import torch

    before = painter.paint(asked, silent)[0]
    painter.set_loras([Lora(lora)])
    assert not alike(painter.paint(asked, silent)[0], before)
    put_on = [v for k, v in painter.pipeline.transformer.named_parameters() if "lora_A" in k]
    assert {weight.dtype for weight in put_on} == {torch.bfloat16}
    painter.set_loras([])
    assert alike(painter.paint(asked, silent)[0], before, most=1)
    painter.close()


@pytest.fixture
def copied(editor, tmp_path):
    """Weights that a test may spoil: the paths by id, and the base folder."""
    paths, module = editor
    base = next(key for key in paths if "lora" not in key)
    folder = shutil.copytree(paths[base], tmp_path / base)
    return {**paths, base: folder}, folder, module


def test_pickles_are_refused(copied):
    paths, folder, module = copied
    for file in (folder / "transformer").glob("*.safetensors"):
        file.rename(file.with_suffix(".bin"))
    with pytest.raises(ValueError, match=r"must be safetensors files, got transformer/.*\.bin in"):
        module.load(paths, Setup())


@pytest.mark.parametrize("missing", ["model_index.json", "vae/config.json", "tokenizer"])
def test_an_incomplete_folder_is_named(copied, missing):
    paths, folder, module = copied
    lost = folder / missing
    shutil.rmtree(lost) if lost.is_dir() else lost.unlink()
    with pytest.raises(RuntimeError, match=r"must hold .*Fetch the whole folder again\."):
        module.load(paths, Setup())


def test_weights_that_are_named_for_16_bits_are_read(copied, painter, asked):
    paths, folder, module = copied
    for file in folder.glob("*/*.safetensors"):
        file.rename(file.with_name(f"{file.stem}.fp16.safetensors"))
    loaded = module.load(paths, Setup())
    assert alike(loaded.paint(asked, silent)[0], painter.paint(asked, silent)[0])
    loaded.close()


def test_a_crop_that_does_not_fit_is_refused(painter, asked):
    with pytest.raises(ValueError, match=r"a crop must have sides that are multiples of .*60x96"):
        painter.paint(asked._replace(image=asked.image[:, :60]), silent)
    with pytest.raises(ValueError, match=r"a mask must be of the crop's size 64x96, got 64x32\. "):
        painter.paint(asked._replace(mask=asked.mask[:32]), silent)
    with pytest.raises(ValueError, match=r"looks at . reference pictures at most, got 5\. "):
        painter.paint(asked._replace(garments=asked.garments * 5), silent)
