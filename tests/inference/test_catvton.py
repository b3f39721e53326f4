"""CatVTON paints what its formulas say, from tiny weights of the real layout."""

import shutil
import weakref

import numpy as np
import pytest
import tiny_lora
import tiny_sd15
from dressform.inference import catvton, engine, references
from dressform.inference.painter import Lora, PaintRequest, Setup
from paintings import alike

pytestmark = pytest.mark.usefixtures("diffusers")
HEIGHT, WIDTH = 128, 64
SCALE = 0.18215  # of Stable Diffusion's latents


@pytest.fixture(scope="module")
def paths(tiny):
    return tiny("sd15")


@pytest.fixture(scope="module")
def painter(paths):
    loaded = catvton.load(paths, Setup())
    yield loaded
    loaded.close()


@pytest.fixture
def asked():
    draw = np.random.default_rng(0)
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    mask[32:96, 16:48] = 1
    return PaintRequest(
        image=draw.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8),
        mask=mask,
        garments=(draw.integers(0, 255, (70, 90, 3), np.uint8),),
        seeds=(5,),
        steps=3,
    )


def silent(done, total):
    """Progress that nobody watches."""


def attended(attention, hidden):
    """Self-attention by its formula."""
    import torch

    def heads(x):
        return x.unflatten(-1, (attention.heads, -1)).transpose(1, 2)

    query, key, value = (
        heads(hidden @ layer.weight.T) for layer in (attention.to_q, attention.to_k, attention.to_v)
    )
    weights = torch.softmax(query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5, -1)
    out = attention.to_out[0]
    return (weights @ value).transpose(1, 2).flatten(2) @ out.weight.T + out.bias


@pytest.fixture(scope="module")
def formula(paths, diffusers):
    """The UNet with blocks that are written out: h + attn1, h + norm2(h), h + ff."""
    from safetensors.torch import load_file

    base = paths["sd15-inpainting"]
    net = diffusers.UNet2DConditionModel.from_pretrained(base / "unet", use_safetensors=True).eval()
    weights = load_file(paths["catvton"] / tiny_sd15.ATTENTION)
    for index, attention in enumerate(tiny_sd15.self_attentions(net)):
        for name, parameter in attention.named_parameters():
            parameter.data = weights[f"{index * tiny_sd15.MODULES_PER_ATTENTION}.{name}"]
    for block in net.modules():
        if type(block).__name__ == "BasicTransformerBlock":

            def forward(hidden, *_, block=block, **__):
                hidden = hidden + attended(block.attn1, block.norm1(hidden))
                hidden = hidden + block.norm2(hidden)
                return hidden + block.ff(block.norm3(hidden))

            block.forward = forward
    return net


def guided(net, latents, time, mask, person, garment, guidance):
    """The guided noise by its formula, one branch after the other."""
    import torch

    def branch(shown):
        kept = torch.cat([person, shown], dim=2)
        return net(torch.cat([latents, mask, kept], dim=1), time, None).sample

    without = branch(torch.zeros_like(garment))
    return without + guidance * (branch(garment) - without)


@pytest.mark.parametrize("guidance", [1.0, 2.5])
def test_a_step_predicts_what_the_formula_says(painter, formula, guidance):
    import torch

    draw = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 4, 32, 8, generator=draw)
    person, garment = torch.randn(2, 1, 4, 16, 8, generator=draw)
    mask = torch.zeros(1, 1, 32, 8)
    mask[:, :, 4:12, 2:6] = 1
    person_alone = torch.cat([person, torch.zeros_like(garment)], 2)
    seen = torch.cat([person_alone, torch.cat([person, garment], 2)])
    with torch.no_grad():
        expected = guided(formula, latents, 501, mask, person, garment, guidance)
        got = catvton.predict(painter.pipeline.unet, latents, 501, mask, seen, guidance)
    assert got.shape == (1, 4, 32, 8)
    assert expected.std() > 0.01
    assert float((got - expected).abs().max()) < 1e-5


def test_a_picture_is_what_the_formulas_paint(paths, painter, formula, asked, diffusers):
    """DDIM with eta = 1 (Song et al., 2021, eq. 12 and 16), noise over both halves."""
    import torch

    vae = diffusers.AutoencoderKL.from_pretrained(paths["sd-vae-ft-mse"], use_safetensors=True)

    def tensor(pixels):
        return torch.from_numpy(np.float32(pixels) / 127.5 - 1).permute(2, 0, 1)[None]

    with torch.no_grad():
        mask = torch.from_numpy(asked.mask)
        person = vae.encode(tensor(asked.image) * (mask < 0.5)).latent_dist.mean * SCALE
        laid = references.beside(asked.garments[0], (WIDTH, HEIGHT))
        garment = vae.encode(tensor(laid)).latent_dist.mean * SCALE
        small = torch.nn.functional.interpolate(mask[None, None], scale_factor=1 / 8)
        small = torch.cat([small, torch.zeros_like(small)], dim=2)
        betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
        kept = torch.cumprod(1 - betas, 0)
        draw = torch.Generator().manual_seed(5)
        latents = torch.randn(1, 4, 32, 8, generator=draw)
        for time in (667, 334, 1):
            now, then = kept[time], kept[max(time - 333, 0)]
            noise = guided(formula, latents, time, small, person, garment, 2.5)
            clean = (latents - (1 - now).sqrt() * noise) / now.sqrt()
            sigma = ((1 - then) / (1 - now) * (1 - now / then)).sqrt()
            fresh = torch.randn(latents.shape, generator=draw)
            latents = then.sqrt() * clean + (1 - then - sigma**2).sqrt() * noise + sigma * fresh
        whole = vae.decode(latents[:, :, :16] / SCALE).sample[0].clamp(-1, 1)
    expected = ((whole + 1) * 127.5).permute(1, 2, 0).numpy()
    painted = painter.paint(asked, silent)[0]
    assert expected.std() > 1
    assert np.abs(painted - expected).max() < 0.51


def test_the_table_of_engines_names_the_module_and_the_weights(paths):
    entry = engine.ENGINES["catvton"]
    assert engine.module("catvton") is catvton
    assert {*entry.weights, *entry.optional} == set(paths)


def test_a_picture_of_the_crops_size_is_painted_for_each_seed(painter, asked):
    painted = painter.paint(asked._replace(seeds=(1, 2)), silent)
    assert [one.shape for one in painted] == [(HEIGHT, WIDTH, 3)] * 2
    assert [one.dtype for one in painted] == [np.uint8] * 2
    assert not alike(painted[0], painted[1])


def test_a_seed_paints_the_same_whatever_other_seeds_there_are(painter, asked):
    alone = painter.paint(asked._replace(seeds=(2**64 - 1,)), silent)
    among = painter.paint(asked._replace(seeds=(3, 2**64 - 1, 4)), silent)
    assert alike(alone[0], among[1])


def test_progress_counts_every_step_of_every_seed(painter, asked):
    seen = []
    painter.paint(asked._replace(seeds=(1, 2)), lambda *counts: seen.append(counts))
    assert seen == [(done, 6) for done in range(1, 7)]


def test_without_steps_the_engines_own_are_taken(painter, asked):
    seen = []
    painter.paint(asked._replace(steps=0), lambda *counts: seen.append(counts))
    assert seen == [(done, 50) for done in range(1, 51)]


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


def test_what_was_under_the_mask_does_not_matter_however_soft_its_edge(painter, asked):
    soft = asked.mask.copy()
    soft[96:99, 16:48] = 0.1
    other = asked.image.copy()
    other[soft > 0] = 0
    first = painter.paint(asked._replace(mask=soft), silent)[0]
    assert alike(painter.paint(asked._replace(mask=soft, image=other), silent)[0], first)


@pytest.mark.parametrize("change", ["garment", "mask", "guidance"])
def test_what_is_asked_changes_what_is_painted(painter, asked, change):
    other = {
        "garment": {"garments": (255 - asked.garments[0],)},
        "mask": {"mask": np.ones_like(asked.mask)},
        "guidance": {"guidance": 7.5},
    }[change]
    first = painter.paint(asked, silent)[0]
    assert not alike(painter.paint(asked._replace(**other), silent)[0], first)


@pytest.mark.parametrize("count", [0, 2])
def test_it_takes_one_garment(painter, asked, count):
    with pytest.raises(ValueError, match=r"garment|reference"):
        painter.paint(asked._replace(garments=asked.garments * count), silent)


def test_a_lora_changes_the_picture_and_leaves_no_trace(painter, asked, tmp_path):
    lora = tiny_lora.write(tmp_path / "shiny.safetensors", tiny_sd15.unet(), kohya=True)
    before = painter.paint(asked, silent)[0]
    painter.set_loras([Lora(lora)])
    worn = painter.paint(asked, silent)[0]
    painter.set_loras([])
    assert not alike(worn, before)
    assert alike(painter.paint(asked, silent)[0], before)


def test_without_the_finer_autoencoder_the_bases_own_is_taken(paths, painter, asked):
    plain = {name: path for name, path in paths.items() if name != "sd-vae-ft-mse"}
    other = catvton.load(plain, Setup())
    assert not alike(other.paint(asked, silent)[0], painter.paint(asked, silent)[0])
    other.close()


@pytest.mark.parametrize(
    "setup",
    [
        Setup(dtype="bfloat16", quantization="fp8"),
        Setup(vae_tiling=True, attention="native", speed="cached"),
        Setup(offload="model"),
        Setup(offload="group", dtype="bfloat16"),
    ],
    ids=["fp8", "tiles", "model", "group"],
)
def test_every_setup_paints_deterministically(paths, asked, setup):
    painter = catvton.load(paths, setup)
    first, second = (painter.paint(asked, silent)[0] for _ in range(2))
    assert first.shape == (HEIGHT, WIDTH, 3)
    assert first.std() > 0
    assert alike(first, second, most=1)
    painter.close()


def test_closing_frees_the_networks(paths, asked):
    painter = catvton.load(paths, Setup())
    painter.paint(asked, silent)
    held = [weakref.ref(network) for network in painter.modules().values()]
    assert len(held) == 2
    painter.close()
    assert [one() for one in held] == [None] * 2


def test_weights_named_for_their_16_bits_are_read(paths, tmp_path, painter, asked):
    base = tmp_path / "base"
    shutil.copytree(paths["sd15-inpainting"], base)
    name = "diffusion_pytorch_model"
    for part in ("unet", "vae"):
        (base / part / f"{name}.safetensors").rename(base / part / f"{name}.fp16.safetensors")
    other = catvton.load({**paths, "sd15-inpainting": base}, Setup())
    assert alike(other.paint(asked, silent)[0], painter.paint(asked, silent)[0])
    other.close()


@pytest.mark.parametrize("part", ["unet", "scheduler"])
def test_a_folder_that_lacks_a_part_says_so(paths, tmp_path, part):
    base = tmp_path / "base"
    shutil.copytree(paths["sd15-inpainting"], base)
    shutil.rmtree(base / part)
    with pytest.raises(RuntimeError, match=rf"{part} must hold .* Fetch the whole folder again"):
        catvton.load({**paths, "sd15-inpainting": base}, Setup())


@pytest.mark.parametrize("wrong", ["none", "fewer", "shape"])
def test_attention_of_another_network_is_refused(paths, tmp_path, wrong):
    from safetensors.torch import load_file, save_file

    weights = load_file(paths["catvton"] / tiny_sd15.ATTENTION)
    if wrong == "fewer":
        weights = {key: value for key, value in weights.items() if not key.startswith("0.")}
    elif wrong == "shape":
        weights["0.to_q.weight"] = weights["0.to_q.weight"][:-1].clone()
    path = tmp_path / "model.safetensors"
    if wrong != "none":
        save_file(weights, path)
    with pytest.raises(RuntimeError, match=r"must hold .* Fetch the whole folder again"):
        catvton.load({**paths, "catvton": path}, Setup())
