"""FLUX.2 klein paints as its pipeline does, with references of any size."""

import shutil

import numpy as np
import pytest
import tiny_flux2
from dressform.inference import flux2_klein, memory, references
from dressform.inference.painter import TASKS, PaintRequest, Setup
from paintings import alike

TRY_ON, MANNEQUIN_TO_MODEL = TASKS
pytestmark = pytest.mark.usefixtures("diffusers")


@pytest.fixture(scope="module")
def paths(tiny):
    return tiny("flux2")


@pytest.fixture(scope="module")
def painter(paths):
    loaded = flux2_klein.load(paths, Setup())
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
        garments=(draw.integers(0, 255, (64, 80, 3), np.uint8),),
        task=MANNEQUIN_TO_MODEL,
        seeds=(5,),
        steps=3,
    )


def silent(done, total):
    """Progress that nobody watches."""


def direct(diffusers, paths, request, prompt, *, image=None, mask=None, **options):
    """What a user of the pipeline gets who gives it the same."""
    import torch

    pipeline = diffusers.Flux2KleinInpaintPipeline.from_pretrained(
        paths["flux2-klein-4b"], local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)
    shown = pipeline(
        prompt=prompt,
        image=references.picture(request.image if image is None else image),
        mask_image=references.picture(np.uint8(255 * (request.mask if mask is None else mask))),
        strength=1.0,
        num_inference_steps=request.steps,
        generator=torch.Generator().manual_seed(request.seeds[0]),
        **{"guidance_scale": 1.0, **options},
    )
    return np.asarray(shown.images[0])


def told(painter, request):
    """The prompt that the painter gave its pipeline."""
    seen = []
    real = painter.pipeline.encode_prompt
    painter.pipeline.encode_prompt = lambda **options: seen.append(options) or real(**options)
    try:
        painted = painter.paint(request, silent)[0]
    finally:
        painter.pipeline.encode_prompt = real
    return seen[0]["prompt"], painted


def test_it_paints_what_the_pipeline_paints(diffusers, paths, painter, asked):
    prompt, painted = told(painter, asked)
    # The mask in whole cells of 16 pixels, which is all that the pipeline can tell apart.
    grown = np.zeros_like(asked.mask)
    grown[16:64, 16:48] = 1
    garment = references.picture(asked.garments[0])
    expected = direct(diffusers, paths, asked, prompt, mask=grown, image_reference=garment)
    assert alike(painted, expected)


def test_several_references_of_one_size_are_those_of_the_pipeline(diffusers, paths, painter, asked):
    asked = asked._replace(
        garments=(*asked.garments, 255 - asked.garments[0]), mask=np.ones_like(asked.mask)
    )
    prompt, painted = told(painter, asked)
    both = [references.picture(one) for one in asked.garments]
    expected = direct(diffusers, paths, asked, prompt, image_reference=both)
    # The pipeline encodes both at once, which rounds another way.
    assert np.abs(painted.astype(int) - expected).max() <= 1


def test_try_on_shows_the_pipeline_nothing_of_the_old_garment(diffusers, paths, painter, asked):
    everywhere = asked._replace(task=TRY_ON, mask=np.ones_like(asked.mask))
    prompt, painted = told(painter, everywhere)
    expected = direct(
        diffusers,
        paths,
        everywhere,
        prompt,
        image=np.full_like(asked.image, references.GREY),
        image_reference=references.picture(asked.garments[0]),
    )
    assert alike(painted, expected)


def test_what_was_under_the_mask_does_not_matter_for_try_on(painter, asked):
    asked = asked._replace(task=TRY_ON)
    cells = references.whole_cells(asked.mask, 16)
    other = asked.image.copy()
    other[asked.mask > 0] = 0
    first, second = (
        painter.paint(asked._replace(image=image), silent)[0] for image in (asked.image, other)
    )
    # Beyond a cell of the mask's edge; nearer the decoder blends in what is kept.
    inner = np.zeros_like(cells)
    inner[32:48, 32:40] = True
    kept_alike = np.abs(first.astype(int) - second)[inner].mean()
    shown = asked._replace(task=MANNEQUIN_TO_MODEL)
    first, second = (
        painter.paint(shown._replace(image=image), silent)[0] for image in (shown.image, other)
    )
    assert kept_alike < np.abs(first.astype(int) - second)[inner].mean()


def test_outside_the_mask_the_pipeline_keeps_the_latents(painter, asked):
    nothing = painter.paint(asked._replace(mask=np.zeros_like(asked.mask)), silent)[0]
    other_noise = asked._replace(mask=np.zeros_like(asked.mask), seeds=(6,))
    assert alike(nothing, painter.paint(other_noise, silent)[0])


def test_person_and_pose_are_looked_at(painter, asked):
    before = painter.paint(asked, silent)[0]
    lines = np.zeros_like(asked.image)
    lines[20:80, 30:34] = (255, 80, 0)
    for extra in ({"person": 255 - asked.garments[0]}, {"roles": lines}, {"skeleton": lines}):
        assert not alike(painter.paint(asked._replace(**extra), silent)[0], before)


def test_an_empty_drawing_is_not_looked_at(painter, asked):
    empty = asked._replace(roles=np.zeros_like(asked.image), skeleton=np.zeros_like(asked.image))
    assert alike(painter.paint(empty, silent)[0], painter.paint(asked, silent)[0])


def test_a_crop_of_more_than_a_megapixel_comes_back_at_its_size(painter, asked):
    large = asked._replace(
        image=np.zeros((1056, 1024, 3), np.uint8),
        mask=np.ones((1056, 1024), np.float32),
        garments=(),
        steps=1,
    )
    assert painter.paint(large, silent)[0].shape == (1056, 1024, 3)


def test_weights_that_are_not_distilled_are_guided(diffusers, tmp_path, asked):
    import torch

    folder = tiny_flux2.write_base(tmp_path / "base", is_distilled=False)
    painter = flux2_klein.load({"flux2-klein-4b": folder}, Setup())
    assert (painter.spec.steps, painter.spec.guidance) == (50, 4.0)
    prompt, painted = told(painter, asked._replace(mask=np.ones_like(asked.mask)))
    expected = direct(
        diffusers,
        {"flux2-klein-4b": folder},
        asked._replace(mask=np.ones_like(asked.mask)),
        prompt,
        image_reference=references.picture(asked.garments[0]),
        guidance_scale=4.0,
    )
    assert alike(painted, expected)
    assert torch.is_grad_enabled()
    painter.close()


@pytest.fixture
def quantized(paths, painter, tmp_path):
    """The weights with a GGUF file of their transformer beside them."""
    gguf = pytest.importorskip("gguf")
    folder = shutil.copytree(paths["flux2-klein-4b"], tmp_path / "flux2-klein-4b")
    writer = gguf.GGUFWriter(folder / "klein.gguf", "flux")
    for name, value in painter.pipeline.transformer.state_dict().items():
        values = value.float().numpy()
        if name.endswith("attn.to_q.weight"):
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder


def is_gguf(painter):
    block = painter.pipeline.transformer.transformer_blocks[0]
    return type(block.attn.to_q).__name__ == "GGUFLinear"


@pytest.mark.parametrize("offload", ["none", "group"])
def test_a_gguf_file_is_the_transformer_where_the_setup_says_so(quantized, painter, asked, offload):
    setup = Setup(quantization="gguf", offload=offload)
    loaded = flux2_klein.load({"flux2-klein-4b": quantized}, setup)
    assert is_gguf(loaded)
    painted = loaded.paint(asked, silent)[0]
    # 8 bits with a scale for every 32 weights change next to nothing.
    assert np.abs(painted.astype(int) - painter.paint(asked, silent)[0]).max() <= 3
    loaded.close()
    loaded = flux2_klein.load({"flux2-klein-4b": quantized}, Setup())
    assert not is_gguf(loaded)
    assert alike(loaded.paint(asked, silent)[0], painter.paint(asked, silent)[0])
    loaded.close()


def test_a_gguf_file_is_the_transformer_where_there_is_no_other(quantized, monkeypatch):
    for file in (quantized / "transformer").glob("*.safetensors"):
        file.unlink()
    loaded = flux2_klein.load({"flux2-klein-4b": quantized}, Setup())
    assert is_gguf(loaded)
    loaded.close()
    shutil.copy(quantized / "klein.gguf", quantized / "other.gguf")
    with pytest.raises(RuntimeError, match=r"must hold one \.gguf file .*, got 2\. "):
        flux2_klein.load({"flux2-klein-4b": quantized}, Setup())
    (quantized / "other.gguf").unlink()
    monkeypatch.setattr(memory, "reads_gguf", lambda: False)
    with pytest.raises(RuntimeError, match=r"gguf must be installed .* Run: pip install gguf"):
        flux2_klein.load({"flux2-klein-4b": quantized}, Setup())


def test_memory_that_is_short_takes_the_gguf_file_that_lies_there(quantized, asked, monkeypatch):
    """From the files on the disk to the painted picture, as the nodes do it."""
    from dressform.inference import clearance, residency
    from dressform.inference.order import Host, Order

    class Full:
        device = "cpu"

        def free_bytes(self):
            return 0

        def release(self, wanted_bytes):
            pass

    order = Order(engine="flux2-klein")
    host = Host(Full(), (quantized.parent,))
    cleared = clearance.clear(order, TRY_ON, host.folders)
    run = residency.paint(cleared, order, asked, host, silent)
    assert (run.setup.quantization, run.setup.dtype) == ("gguf", "bfloat16")
    assert run.pictures[0].shape == asked.image.shape
    [resident] = residency.WARM.residents()
    with residency.WARM.lease(resident.key, None, 0) as painter:
        assert is_gguf(painter)
    residency.WARM.evict_all()
