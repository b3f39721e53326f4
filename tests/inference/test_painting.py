"""The frame and the orchestration, with a painter that repaints everything it is shown."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from dressform.imaging.parsing import Parsing
from dressform.imaging.pose import NAMES, Keypoint, Pose
from dressform.inference import clearance, engine, painting, residency, weights
from dressform.inference.engine import MANNEQUIN_TO_MODEL, TRY_ON, Entry
from dressform.inference.model_photo import ModelPhotoRequest
from dressform.inference.order import Host, Order, Score, Settings
from dressform.inference.painter import Lora, Spec

SPEC = Spec(pixels=64 * 64, multiple=8, steps=3, guidance=1.0, references=3)


class Painter:
    """Paints every pixel anew, by seed."""

    spec = SPEC

    def __init__(self, setup):
        self.setup, self.loras, self.requests, self.closed = setup, (), [], False

    def set_loras(self, loras):
        self.loras = tuple(loras)

    def paint(self, request, progress):
        self.requests.append(request)
        steps = request.steps or SPEC.steps
        pictures = []
        for index, seed in enumerate(request.seeds):
            for step in range(steps):
                progress(index * steps + step + 1, steps * len(request.seeds))
            noise = np.random.default_rng(seed).integers(0, 256, request.image.shape, np.uint8)
            pictures.append(noise)
        return pictures

    def close(self):
        self.closed = True


class Memory:
    device = "cpu"

    def free_bytes(self):
        return 2**34

    def release(self, wanted_bytes):
        pass


@pytest.fixture
def painters(monkeypatch):
    """An engine "flux2-klein" that is a stand-in; returns the painters it has loaded."""
    loaded = []

    def load(paths, setup):
        loaded.append(Painter(setup))
        return loaded[-1]

    monkeypatch.setitem(engine.ENGINES, "flux2-klein", Entry("stand_in", (), engine.TASKS, "flux2"))
    module = engine.module
    monkeypatch.setattr(
        engine,
        "module",
        lambda name: (
            SimpleNamespace(SPEC=SPEC, load=load) if name == "flux2-klein" else module(name)
        ),
    )
    residency.WARM.evict_all()
    residency._FITTING.clear()
    yield loaded
    residency.WARM.evict_all()


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (161, 97, 3), np.uint8)


def pose(size):
    height, width = size
    return Pose(height, width, {name: Keypoint(width / 2, height / 2, 1.0) for name in NAMES})


def block(size, rows, columns):
    mask = np.zeros(size, bool)
    mask[rows, columns] = True
    return mask


@pytest.fixture
def wanted(photo):
    size = photo.shape[:2]
    return engine.TryOnRequest(
        photo,
        photo,
        block(size, slice(40, 120), slice(20, 80)),
        pose(size),
        pose(size),
        person_parsing=Parsing(np.zeros(size, np.uint8)),
        repaint_mask=block(size, slice(30, 131), slice(15, 84)),
    )


@pytest.fixture
def on_mannequin(photo):
    size = photo.shape[:2]
    garment = block(size, slice(40, 120), slice(20, 80))
    return ModelPhotoRequest(photo, garment, garment, Parsing(np.zeros(size, np.uint8)), pose(size))


HOST = Host(Memory())
ORDER = Order(engine="flux2-klein", usage="research", seed=7)


def silent(done, total):
    pass


def test_dressing_changes_nothing_outside_the_mask(painters, wanted):
    done = painting.dress(ORDER, wanted, HOST, progress=silent)
    outside = ~wanted.repaint_mask
    assert np.array_equal(done.images[0][outside], wanted.person[outside])
    assert (done.images[0] != wanted.person).any(-1)[wanted.repaint_mask].mean() > 0.9
    assert done.report["changed_outside"] == 0
    assert (done.generated > 0).sum() == wanted.repaint_mask.sum()


def test_the_photographed_garment_stays(painters, on_mannequin):
    done = painting.model_photo(ORDER, on_mannequin, HOST, progress=silent)
    kept = done.repainted == 0
    assert kept[60:100, 40:60].all()
    assert np.array_equal(done.images[0][kept], on_mannequin.image[kept])
    assert (done.images[0] != on_mannequin.image).any(-1)[:20].mean() > 0.9
    assert done.report["task"] == MANNEQUIN_TO_MODEL


def test_candidates_come_best_first_and_all_are_kept(painters, wanted):
    scores = iter((3, 1, 2))
    done = painting.dress(
        ORDER._replace(candidates=3),
        wanted,
        HOST,
        progress=silent,
        rank=lambda one: Score((next(scores),), {"score": 0}),
    )
    assert [one["seed"] for one in done.report["candidates"]] == [8, 9, 7]
    assert len(done.images) == 3
    alone = painting.dress(ORDER._replace(seed=8), wanted, HOST, progress=silent)
    assert np.array_equal(done.images[0], alone.images[0])


def test_progress_ends_a_run_and_the_engine_paints_again(painters, wanted):
    told = []

    def stop(done, total):
        told.append(done)
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        painting.dress(ORDER, wanted, HOST, progress=stop)
    assert told == [1, 2]
    assert painting.dress(ORDER, wanted, HOST, progress=silent).images
    assert len(painters) == 1


def test_an_engine_that_does_not_fit_is_made_smaller(painters, wanted, monkeypatch):
    torch = pytest.importorskip("torch")
    paint = Painter.paint

    def short(self, request, progress):
        if not self.setup.vae_tiling:
            raise torch.OutOfMemoryError("injected")
        return paint(self, request, progress)

    monkeypatch.setattr(Painter, "paint", short)
    done = painting.dress(ORDER, wanted, HOST, progress=silent)
    assert [one.closed for one in painters] == [True, False]
    assert done.report["setup"]["vae_tiling"] is True
    assert "memory of cpu ended" in " ".join(done.report["notices"])


def test_an_engine_that_never_fits_says_so(painters, wanted, monkeypatch):
    torch = pytest.importorskip("torch")

    def never(self, request, progress):
        raise torch.OutOfMemoryError("injected")

    monkeypatch.setattr(Painter, "paint", never)
    with pytest.raises(RuntimeError, match=r"flux2-klein needs more memory .* Close other"):
        painting.dress(ORDER, wanted, HOST, progress=silent)
    assert not residency.WARM.residents()


def test_loras_are_put_on_and_taken_off_without_loading_again(painters, wanted, tmp_path):
    path = tmp_path / "style.safetensors"
    path.write_bytes(b"x")
    with_lora = ORDER._replace(settings=Settings(loras=(Lora(path, 0.5),)))
    done = painting.dress(with_lora, wanted, HOST, progress=silent)
    assert painters[0].loras == with_lora.settings.loras
    assert done.report["loras"][0]["strength"] == 0.5
    painting.dress(ORDER, wanted, HOST, progress=silent)
    assert painters[0].loras == ()
    assert len(painters) == 1


def test_the_report_is_json(painters, wanted):
    done = painting.dress(ORDER, wanted, HOST, progress=silent)
    assert json.loads(json.dumps(done.report))["size"] == [97, 161]


def test_missing_weights_stop_with_the_command(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"dressform weights get qwen-image-edit-2511"):
        clearance.clear(Order(engine="qwen-edit", usage="research"), TRY_ON, [tmp_path])


def test_missing_weights_fall_back_to_warp_with_a_notice(tmp_path):
    order = Order(engine="qwen-edit", usage="research", when_weights_missing="warp")
    cleared = clearance.clear(order, TRY_ON, [tmp_path])
    assert cleared.engine == "warp"
    assert "dressform weights get qwen-image-edit-2511" in cleared.notices[0]


def test_an_engine_that_may_not_be_sold_with_is_refused_by_its_licence(tmp_path):
    with pytest.raises(PermissionError, match=r"CatVTON.*licence"):
        clearance.clear(Order(engine="catvton"), TRY_ON, [tmp_path])


def test_optional_weights_that_may_not_be_sold_with_are_left_out_with_a_notice(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(weights, "find", lambda key, folders: tmp_path / key)
    cleared = clearance.clear(Order(engine="qwen-edit"), TRY_ON, [tmp_path])
    assert set(cleared.paths) == {"qwen-image-edit-2511"}
    assert "Lightning" in cleared.notices[0]
    research = clearance.clear(Order(engine="qwen-edit", usage="research"), TRY_ON, [tmp_path])
    assert "qwen-image-edit-lightning" in research.paths
    assert research.notices == ()
