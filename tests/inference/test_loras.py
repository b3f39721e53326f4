"""LoRAs change a pipeline, and leave it as it was."""

import itertools

import numpy as np
import pytest
import tiny_lora
import tiny_sd15
import tiny_sdxl
from dressform.inference import loras
from dressform.inference.painter import Lora
from paintings import alike

pytestmark = pytest.mark.usefixtures("diffusers")


@pytest.fixture(scope="module")
def base(diffusers, tmp_path_factory):
    return tiny_sdxl.write_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def loaded(diffusers, base):
    return diffusers.StableDiffusionXLPipeline.from_pretrained(base, use_safetensors=True)


@pytest.fixture
def pipeline(loaded):
    yield loaded
    loaded.unload_lora_weights()


@pytest.fixture(scope="module")
def files(loaded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("loras")
    return {
        "red": tiny_lora.write(folder / "red.safetensors", loaded.unet, seed=1),
        "blue": tiny_lora.write(folder / "blue.safetensors", loaded.unet, seed=2, kohya=True),
    }


@pytest.fixture
def reads(monkeypatch):
    """Names of the files whose tensors were read."""
    import safetensors

    loras._read.cache_clear()
    names = []
    real = safetensors.safe_open

    def counted(path, **options):
        names.append(path.name)
        return real(path, **options)

    monkeypatch.setattr(safetensors, "safe_open", counted)
    return names


def painted(pipeline):
    """Two numbers for each pixel of what the UNet says of one noise."""
    import torch

    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        return pipeline.unet(
            torch.randn(1, 4, 8, 8, generator=draw),
            500,
            torch.randn(1, 5, 32, generator=draw),
            added_cond_kwargs={
                "text_embeds": torch.randn(1, 16, generator=draw),
                "time_ids": torch.tensor([[64.0, 64.0, 0.0, 0.0, 64.0, 64.0]]),
            },
        ).sample.numpy()


def weights_of(network):
    return {name: value.numpy().copy() for name, value in network.state_dict().items()}


def test_each_lora_changes_what_is_painted_and_all_differ(pipeline, files):
    stack = loras.Stack(pipeline, "SDXL")
    seen = [painted(pipeline)]
    for chosen in (
        [Lora(files["red"])],
        [Lora(files["red"], 0.5)],
        [Lora(files["blue"])],
        [Lora(files["red"]), Lora(files["blue"], -0.5)],
    ):
        stack.set(chosen)
        seen.append(painted(pipeline))
    for one, other in itertools.combinations(seen, 2):
        assert np.abs(one - other).max() > 1e-3


def test_the_base_is_the_same_bit_for_bit_after_the_last_lora_is_off(pipeline, files):
    before = weights_of(pipeline.unet)
    bare = painted(pipeline)
    stack = loras.Stack(pipeline, "SDXL")
    stack.set([Lora(files["red"]), Lora(files["blue"], 0.3)])
    assert weights_of(pipeline.unet).keys() != before.keys()
    stack.set([])
    after = weights_of(pipeline.unet)
    assert list(after) == list(before)
    assert all(np.array_equal(after[name], before[name]) for name in before)
    assert alike(painted(pipeline), bare)


def test_swapping_equals_loading_into_a_fresh_pipeline(diffusers, base, pipeline, files):
    stack = loras.Stack(pipeline, "SDXL")
    stack.set([Lora(files["red"])])
    stack.set([Lora(files["blue"], 0.75)])
    fresh = diffusers.StableDiffusionXLPipeline.from_pretrained(base, use_safetensors=True)
    fresh.load_lora_weights(str(files["blue"]), adapter_name="by_hand")
    fresh.set_adapters(["by_hand"], [0.75])
    assert alike(painted(pipeline), painted(fresh))


def test_the_base_is_not_loaded_again(pipeline, files):
    layers = {id(parameter) for parameter in pipeline.unet.parameters()}
    stack = loras.Stack(pipeline, "SDXL")
    stack.set([Lora(files["red"])])
    stack.set([Lora(files["blue"])])
    stack.set([])
    assert {id(parameter) for parameter in pipeline.unet.parameters()} == layers


def test_a_strength_changes_without_reading_the_file_again(pipeline, files, reads):
    stack = loras.Stack(pipeline, "SDXL")
    stack.set([Lora(files["red"], 1.0)])
    strong = painted(pipeline)
    stack.set([Lora(files["red"], 0.25)])
    assert np.abs(painted(pipeline) - strong).max() > 1e-3
    assert reads == ["red.safetensors"]


def test_a_file_taken_off_and_put_on_again_is_read_once(pipeline, files, reads):
    stack = loras.Stack(pipeline, "SDXL")
    for chosen in ([Lora(files["red"])], [], [Lora(files["red"])], [Lora(files["blue"])]):
        stack.set(chosen)
    assert reads == ["red.safetensors", "blue.safetensors"]


def test_a_file_that_has_changed_is_read_again(pipeline, files, tmp_path):
    path = tmp_path / "style.safetensors"
    path.write_bytes(files["red"].read_bytes())
    stack = loras.Stack(pipeline, "SDXL")
    stack.set([Lora(path)])
    first = painted(pipeline)
    path.write_bytes(files["blue"].read_bytes())
    stack.set([Lora(path)])
    assert np.abs(painted(pipeline) - first).max() > 1e-3


def test_the_same_file_twice_counts_with_both_strengths(pipeline, files):
    stack = loras.Stack(pipeline, "SDXL")
    stack.set([Lora(files["red"], 0.25), Lora(files["red"], 0.5)])
    both = painted(pipeline)
    stack.set([Lora(files["red"], 0.75)])
    assert alike(painted(pipeline), both)


def test_a_strength_of_zero_is_no_lora_at_all(pipeline, files):
    bare = painted(pipeline)
    loras.Stack(pipeline, "SDXL").set([Lora(files["red"], 0.0)])
    assert alike(painted(pipeline), bare)
    assert not hasattr(pipeline.unet, "peft_config")


def test_the_engines_own_lora_stays_when_the_users_goes(pipeline, files):
    stack = loras.Stack(pipeline, "SDXL", own=[Lora(files["red"])])
    own = painted(pipeline)
    stack.set([Lora(files["blue"])])
    assert np.abs(painted(pipeline) - own).max() > 1e-3
    stack.set([])
    assert alike(painted(pipeline), own)


class TestRefusals:
    """What is refused leaves the LoRAs in force as they were."""

    @pytest.fixture
    def stack(self, pipeline, files):
        stack = loras.Stack(pipeline, "SDXL")
        stack.set([Lora(files["red"])])
        before = painted(pipeline)
        yield stack
        assert alike(painted(pipeline), before)

    @pytest.mark.parametrize("kohya", [False, True])
    def test_a_lora_for_another_architecture(self, stack, files, tmp_path, kohya):
        other = tiny_lora.write(tmp_path / "old.safetensors", tiny_sd15.unet(), kohya=kohya)
        with pytest.raises(ValueError, match=r"^LoRA old.safetensors must be made for SDXL, got"):
            stack.set([Lora(files["blue"]), Lora(other)])

    def test_a_lora_of_a_transformer(self, stack, tmp_path):
        path = tmp_path / "flux.safetensors"
        tiny_lora.write(path, tiny_sd15.unet(), component="transformer")
        with pytest.raises(ValueError, match=r"got one that has no layer of this network\. Choose"):
            stack.set([Lora(path)])

    def test_the_sentence_names_what_the_file_says_it_is_for(self, stack, tmp_path):
        notes = {"modelspec.architecture": "stable-diffusion-v1/lora"}
        path = tmp_path / "style.safetensors"
        tiny_lora.write(path, tiny_sd15.unet(), notes=notes)
        with pytest.raises(ValueError, match=r"got one for stable-diffusion-v1/lora\. Choose"):
            stack.set([Lora(path)])

    def test_no_lora_at_all(self, stack, tmp_path):
        import torch
        from safetensors.torch import save_file

        save_file({"weight": torch.zeros(2)}, tmp_path / "vae.safetensors")
        with pytest.raises(ValueError, match=r"^LoRA vae.safetensors must be made for SDXL, got"):
            stack.set([Lora(tmp_path / "vae.safetensors")])

    def test_a_file_that_could_run_code(self, stack, tmp_path):
        (tmp_path / "style.ckpt").write_bytes(b"x")
        with pytest.raises(ValueError, match=r"must be a \.safetensors file, got style\.ckpt\."):
            stack.set([Lora(tmp_path / "style.ckpt")])

    def test_a_pickle_by_another_name(self, stack, tmp_path):
        (tmp_path / "style.safetensors").write_bytes(b"\x80\x04N." * 9)
        with pytest.raises(ValueError, match="must be a safetensors file, got something else"):
            stack.set([Lora(tmp_path / "style.safetensors")])

    def test_no_file(self, stack, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"^LoRA gone\.safetensors must be a file"):
            stack.set([Lora(tmp_path / "gone.safetensors")])


def test_a_pipeline_without_text_encoder_takes_the_rest_of_a_lora(diffusers, tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    unet = tiny_sd15.unet()
    path = tiny_lora.write(tmp_path / "style.safetensors", unet)
    text = {"text_encoder.encoder.layers.0.self_attn.q_proj.lora_A.weight": torch.ones(2, 16)}
    text |= {"text_encoder.encoder.layers.0.self_attn.q_proj.lora_B.weight": torch.ones(16, 2)}
    save_file(load_file(path) | text, path)
    pipeline = diffusers.StableDiffusionInpaintPipeline(
        vae=tiny_sd15.vae(),
        text_encoder=None,
        tokenizer=None,
        unet=unet,
        scheduler=diffusers.DDIMScheduler(**tiny_sd15.SCHEDULER),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    stack = loras.Stack(pipeline, "Stable Diffusion 1.5")
    stack.set([Lora(path)])
    assert pipeline.get_active_adapters() == ["dressform_1"]


def test_a_lora_for_the_text_encoders_changes_the_text(pipeline, tmp_path):
    path = tmp_path / "words.safetensors"
    ends = ("q_proj", "v_proj")
    tiny_lora.write(path, pipeline.text_encoder, component="text_encoder", layers=ends)
    bare = pipeline.encode_prompt("dress")[0]
    stack = loras.Stack(pipeline, "SDXL")
    stack.set([Lora(path)])
    assert (pipeline.encode_prompt("dress")[0] - bare).abs().max() > 1e-3
    stack.set([])
    assert alike(pipeline.encode_prompt("dress")[0].detach().numpy(), bare.detach().numpy())
