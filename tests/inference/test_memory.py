"""How engines are laid into memory, by tables."""

import json
import struct

import pytest
from dressform.inference import memory
from dressform.inference.memory import Sizes, Wishes
from dressform.inference.painter import Setup

GB = 10**9
WORK = {"working_bytes": 2 * GB, "decoding_bytes": 4 * GB}
# From the files of the real weights.
KLEIN = Sizes(
    {"transformer": 7_750_000_000, "text_encoder": 8_040_000_000, "vae": 168_000_000}, **WORK
)
QWEN = Sizes(
    {"transformer": 40_860_000_000, "text_encoder": 16_580_000_000, "vae": 254_000_000}, **WORK
)
SDXL = Sizes(
    {"unet": 5_135_000_000, "text_encoder": 1_640_000_000, "controlnet": 2_510_000_000},
    denoiser="unet",
    **WORK,
)
ENGINES = {"klein": KLEIN, "qwen": QWEN, "sdxl": SDXL}
GPU = ("bf16", "fp16", "fp32", "fp8")


@pytest.mark.parametrize(
    ("engine", "free_gb", "quantization", "offload", "tiling"),
    [
        ("klein", 80, "none", "none", False),
        ("klein", 24, "none", "none", False),
        ("klein", 20, "none", "none", True),
        ("klein", 16, "none", "model", False),
        ("klein", 12, "none", "model", True),
        ("klein", 8, "none", "group", True),
        ("klein", 6, "none", "group", True),
        ("qwen", 80, "none", "none", False),
        ("qwen", 48, "none", "model", True),
        ("qwen", 32, "fp8", "model", True),
        ("qwen", 24, "none", "group", True),
        ("qwen", 16, "none", "group", True),
        ("qwen", 8, "fp8", "group", True),
        ("sdxl", 24, "none", "none", False),
        ("sdxl", 16, "none", "none", False),
        ("sdxl", 12.5, "none", "none", True),
        ("sdxl", 12, "none", "model", False),
        ("sdxl", 8, "none", "model", True),
        ("sdxl", 6, "fp8", "model", True),
    ],
)
def test_best_setup_that_fits_is_chosen(engine, free_gb, quantization, offload, tiling):
    chosen = memory.choose(free_gb * GB, ENGINES[engine], device="cuda", precisions=GPU)
    assert (chosen.quantization, chosen.offload, chosen.vae_tiling) == (
        quantization,
        offload,
        tiling,
    )
    assert chosen.dtype == "bfloat16"
    assert memory.needed_bytes(ENGINES[engine], chosen) <= free_gb * GB


@pytest.mark.parametrize(
    ("free_gb", "dtype", "tiling"), [(64, "float32", False), (8, "bfloat16", True)]
)
def test_processor_moves_nothing_and_narrows_where_it_must(free_gb, dtype, tiling):
    chosen = memory.choose(free_gb * GB, KLEIN, device="cpu", precisions=("fp32", "bf16"))
    assert (chosen.dtype, chosen.offload, chosen.quantization) == (dtype, "none", "none")
    assert chosen.vae_tiling is tiling


def test_where_nothing_fits_the_smallest_is_tried():
    chosen = memory.choose(0, QWEN, device="cuda:1", precisions=GPU)
    assert (chosen.device, chosen.quantization, chosen.offload) == ("cuda:1", "fp8", "group")


def test_old_device_computes_in_fp16():
    assert (
        memory.choose(80 * GB, SDXL, device="cuda", precisions=("fp16", "fp8")).dtype == "float16"
    )


def test_device_without_8_bits_gets_none():
    chosen = memory.choose(0, QWEN, device="cuda", precisions=("bf16",))
    assert (chosen.quantization, chosen.offload) == ("none", "group")


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        (Wishes(precision="fp32"), {"dtype": "float32", "quantization": "none"}),
        (Wishes(precision="fp16"), {"dtype": "float16", "quantization": "none"}),
        (Wishes(precision="fp8"), {"dtype": "bfloat16", "quantization": "fp8"}),
        (Wishes(offload="group"), {"offload": "group"}),
        (Wishes(offload="none"), {"offload": "none"}),
        (Wishes(vae_tiling="on"), {"vae_tiling": True}),
        (Wishes(vae_tiling="off"), {"vae_tiling": False}),
        (Wishes(speed="cached", attention="sdpa"), {"speed": "cached", "attention": "sdpa"}),
    ],
)
@pytest.mark.parametrize("free_gb", [4, 12, 80])
def test_wish_is_kept_whether_it_fits_or_not(wishes, expected, free_gb):
    chosen = memory.choose(free_gb * GB, KLEIN, wishes, device="cuda", precisions=GPU)
    assert {name: getattr(chosen, name) for name in expected} == expected


@pytest.mark.parametrize("device", ["cuda", "cpu", "mps"])
@pytest.mark.parametrize("wishes", [Wishes(), Wishes(precision="fp8"), Wishes(vae_tiling="off")])
def test_ladder_ends_and_every_step_is_another(device, wishes):
    setup = memory.choose(10**15, KLEIN, wishes, device=device, precisions=GPU)
    seen = [setup]
    while (setup := memory.cheaper(setup, wishes)) is not None:
        assert setup not in seen
        assert setup.device == device
        seen.append(setup)
    assert len(seen) <= len(memory.LADDER)


def test_foot_of_the_ladder_needs_least():
    setup = memory.choose(10**15, KLEIN, device="cuda", precisions=GPU)
    needed = [memory.needed_bytes(KLEIN, setup)]
    while (setup := memory.cheaper(setup)) is not None:
        needed.append(memory.needed_bytes(KLEIN, setup))
    assert min(needed) == needed[-1] < needed[0] / 3


def test_unknown_setup_goes_to_the_foot():
    odd = Setup(device="cuda", dtype="bfloat16", offload="group", quantization="gguf")
    assert memory.cheaper(odd).quantization == "fp8"


def test_float32_takes_twice_as_much():
    one = Setup(device="cpu", dtype="bfloat16")
    assert memory.needed_bytes(KLEIN, one._replace(dtype="float32")) == pytest.approx(
        2 * memory.needed_bytes(KLEIN, one), rel=1e-6
    )


@pytest.mark.parametrize(
    ("kind", "capability", "first", "eight"),
    [
        ("cuda", (9, 0), "bf16", True),
        ("cuda", (8, 0), "bf16", True),
        ("cuda", (7, 5), "fp16", True),
        ("cpu", (0, 0), "fp32", False),
        ("mps", (0, 0), "bf16", False),
    ],
)
def test_devices_work_in_what_they_can(kind, capability, first, eight):
    works_in = memory.precisions_of(kind, capability)
    assert works_in[0] == first
    assert ("fp8" in works_in) is eight


def test_processor_is_asked_through_torch():
    assert memory.precisions("cpu") == ("fp32", "bf16")


def write(path, **tensors):
    header = {
        name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}
        for name, shape in tensors.items()
    }
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    return path


def test_networks_are_measured_by_their_headers(tmp_path):
    base = tmp_path / "base"
    write(base / "unet" / "d-00001-of-00002.safetensors", a=[10, 10])
    write(base / "unet" / "d-00002-of-00002.safetensors", b=[7])
    write(base / "unet" / "d.fp16-00001-of-00001.safetensors", a=[10, 10], b=[7])
    write(base / "vae" / "d.safetensors", a=[3])
    paths = {
        "base": base,
        "lora": write(tmp_path / "l.safetensors", a=[5]),
        "net": tmp_path / "net",
    }
    write(tmp_path / "net" / "diffusion_pytorch_model.safetensors", a=[4])
    sizes = memory.measure(paths, pixels=1000)
    assert sizes.networks == {"unet": 214, "vae": 6, "lora": 10, "net": 8}
    assert sizes.denoiser == "unet"
    assert sizes.decoding_bytes > sizes.working_bytes > 0


@pytest.mark.parametrize(
    "content", [b"", b"short", struct.pack("<Q", 9) + b"not json!", struct.pack("<Q", 2**60)]
)
def test_file_that_is_no_safetensors_is_named(tmp_path, content):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.safetensors must be a safetensors file"):
        memory.weights_count(path)
