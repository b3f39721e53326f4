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


KLEIN_GGUF = KLEIN._replace(gguf_bytes=2_600_000_000)  # 4 bits and their scales
# With a text encoder that is not the largest network.
TERSE_GGUF = KLEIN_GGUF._replace(networks={**KLEIN.networks, "text_encoder": 2 * GB})


@pytest.mark.parametrize(
    ("free_gb", "quantization", "offload"),
    [(24, "none", "none"), (13, "none", "model"), (9, "none", "group")],
)
def test_gguf_file_is_not_touched_where_16_bits_fit(free_gb, quantization, offload):
    chosen = memory.choose(
        free_gb * GB, KLEIN._replace(gguf_bytes=9_000_000_000), device="cuda", precisions=GPU
    )
    assert (chosen.quantization, chosen.offload) == (quantization, offload)


@pytest.mark.parametrize(
    ("sizes", "free_gb", "expected"),
    [
        (KLEIN_GGUF, 24, ("none", "none")),
        (KLEIN_GGUF, 13, ("none", "model")),
        (TERSE_GGUF, 8, ("gguf", "none")),
        (TERSE_GGUF, 6, ("gguf", "model")),
        (TERSE_GGUF, 3.5, ("none", "group")),
        (TERSE_GGUF, 3, ("gguf", "group")),
    ],
)
def test_gguf_file_is_taken_instead_of_8_bits_when_memory_is_short(sizes, free_gb, expected):
    chosen = memory.choose(free_gb * GB, sizes, device="cuda", precisions=GPU)
    assert (chosen.quantization, chosen.offload) == expected
    assert memory.needed_bytes(sizes, chosen) <= free_gb * GB
    seen = [chosen]
    while (lower := memory.cheaper(seen[-1], sizes=sizes)) is not None:
        seen.append(lower)
    assert {one.quantization for one in seen} <= {"none", "gguf"}
    assert (seen[-1].quantization, seen[-1].offload) == ("gguf", "group")


def test_processor_takes_a_gguf_file_at_the_foot_of_its_ladder():
    chosen = memory.choose(0, KLEIN_GGUF, device="cpu", precisions=("fp32", "bf16"))
    assert (chosen.quantization, chosen.offload, chosen.dtype) == ("gguf", "none", "bfloat16")


def test_where_nothing_but_a_gguf_file_lies_every_setup_takes_it():
    alone = KLEIN_GGUF._replace(plain=False)
    for free_gb in (80, 12, 1):
        chosen = memory.choose(free_gb * GB, alone, device="cuda", precisions=GPU)
        assert chosen.quantization == "gguf"


@pytest.mark.parametrize(
    ("precision", "quantization"), [("gguf", "gguf"), ("fp8", "fp8"), ("bf16", "none")]
)
@pytest.mark.parametrize("free_gb", [2, 80])
def test_gguf_file_yields_to_a_wish(precision, quantization, free_gb):
    chosen = memory.choose(
        free_gb * GB, KLEIN_GGUF, Wishes(precision=precision), device="cuda", precisions=GPU
    )
    assert chosen.quantization == quantization


def test_gguf_weights_are_not_widened():
    one = Setup(device="cuda", dtype="bfloat16", quantization="gguf")
    rest = sum(count for name, count in KLEIN.networks.items() if name != "transformer")
    assert memory.held_bytes(KLEIN_GGUF, one) == rest + KLEIN_GGUF.gguf_bytes
    wide = one._replace(dtype="float32")
    assert memory.held_bytes(KLEIN_GGUF, wide) == 2 * rest + KLEIN_GGUF.gguf_bytes


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
    assert (sizes.gguf_bytes, sizes.plain) == (0, True)


def test_gguf_file_is_measured_beside_the_transformer_or_in_its_place(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "reads_gguf", lambda: True)
    base = tmp_path / "base"
    plain = write(base / "transformer" / "d.safetensors", a=[100])
    write(base / "vae" / "d.safetensors", a=[3])
    (base / "klein.gguf").write_bytes(b"x" * 70)
    sizes = memory.measure({"base": base}, pixels=1000)
    assert (sizes.gguf_bytes, sizes.plain, sizes.denoiser) == (70, True, "transformer")
    assert memory.held_bytes(sizes, Setup(dtype="bfloat16")) == 206
    plain.unlink()
    sizes = memory.measure({"base": base}, pixels=1000)
    assert (sizes.gguf_bytes, sizes.plain, sizes.denoiser) == (70, False, "transformer")
    chosen = memory.choose(10**15, sizes, device="cuda", precisions=GPU)
    assert memory.held_bytes(sizes, chosen) == 76


def test_gguf_file_that_nothing_can_read_is_not_reckoned_with(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "reads_gguf", lambda: False)
    write(tmp_path / "transformer" / "d.safetensors", a=[100])
    (tmp_path / "klein.gguf").write_bytes(b"x" * 70)
    sizes = memory.measure({"base": tmp_path}, pixels=1000)
    assert sizes.gguf_bytes == 0
    assert memory.choose(0, sizes, device="cuda", precisions=GPU).quantization == "fp8"


@pytest.mark.parametrize(
    "content", [b"", b"short", struct.pack("<Q", 9) + b"not json!", struct.pack("<Q", 2**60)]
)
def test_file_that_is_no_safetensors_is_named(tmp_path, content):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.safetensors must be a safetensors file"):
        memory.weights_count(path)
