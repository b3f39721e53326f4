"""Try On and Make Model Photo as ComfyUI calls them, with real engines on tiny random weights."""

import json
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SIDE = 256  # the longer one of the photos here
AREA = 128 * 128  # that the engines paint, instead of a megapixel
WEIGHTS = {"flux2-klein": "flux2", "qwen-edit": "qwen", "sdxl-union": "sdxl"}
pytestmark = pytest.mark.filterwarnings(
    # diffusers' Euler scheduler hands tensors to numpy 2 as numpy 1 took them.
    "ignore:__array__ implementation:DeprecationWarning"
)


@pytest.fixture(scope="session")
def torch(nodes):
    import torch

    return torch


@pytest.fixture(scope="session")
def load(tensors):
    import cv2
    from dressform.imaging import pictures

    def read(name):
        large = pictures.open_picture(ROOT / "samples" / name)
        scale = SIDE / max(large.shape[:2])
        size = (round(large.shape[1] * scale), round(large.shape[0] * scale))
        return tensors.from_pictures([cv2.resize(large, size, interpolation=cv2.INTER_AREA)])

    return read


@pytest.fixture(scope="session")
def parse(nodes, load):
    """Parses once for all tests: the photo, its parsing and its garment."""
    known = {}

    def run(name):
        if name not in known:
            photo = load(name)
            known[name] = (photo, *nodes.ParsePhoto.execute(image=photo).args[:2])
        return known[name]

    return run


@pytest.fixture
def installed(nodes, tiny, monkeypatch):
    """A function that puts an engine's tiny weights where the nodes look, and paints them small."""
    from dressform.inference import flux2_klein, qwen_edit, residency, sdxl_union
    from dressform.nodes import weights

    folders = []
    monkeypatch.setattr(weights, "folders", lambda: folders or [Path("/nowhere")])
    for module in (flux2_klein, qwen_edit, sdxl_union):
        monkeypatch.setattr(module, "SPEC", module.SPEC._replace(pixels=AREA))

    def install(engine):
        if engine == "qwen-edit":
            from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as edit_plus

            monkeypatch.setattr(edit_plus, "VAE_IMAGE_SIZE", 96 * 96)
            monkeypatch.setattr(edit_plus, "CONDITION_IMAGE_SIZE", 64 * 64)
        folders[:] = {path.parent for path in tiny(WEIGHTS[engine]).values()}

    yield install
    residency.WARM.evict_all()


@pytest.fixture
def try_on(nodes, parse):
    """Dresses the sample person in the flat tee."""

    def run(**chosen):
        garment, parsing, mask = parse("flat_tee.jpg")
        defaults = {
            "person": parse("person_full.jpg")[0],
            "garment": garment,
            "garment_mask": mask,
            "garment_parsing": parsing,
            "engine": "flux2-klein",
            "region": "auto",
            "steps": 1,
        }
        return nodes.TryOn.execute(**{**defaults, **chosen})

    return run


@pytest.fixture
def model_photo(nodes, parse):
    """Gives the garment on the headless mannequin a body."""

    def run(**chosen):
        photo, parsing, mask = parse("headless/photo.jpg")
        defaults = {
            "image": photo,
            "garment_mask": mask,
            "parsing": parsing,
            "engine": "flux2-klein",
            "steps": 1,
            "when_weights_missing": "stop",
        }
        return nodes.MakeModelPhoto.execute(**{**defaults, **chosen})

    return run


def report(done):
    return json.loads(done[5])


class TestCandidates:
    def test_the_best_comes_first_and_all_are_kept(self, torch, installed, try_on):
        installed("flux2-klein")
        done = try_on(seed=2**64 - 2, candidates=3)
        image, candidates, told = done[0], done[4], report(done)
        assert candidates.shape == (3, *image.shape[1:])
        assert torch.equal(candidates[0], image[0])
        seeds = [one["seed"] for one in told["candidates"]]
        assert sorted(seeds) == [0, 2**64 - 2, 2**64 - 1], "after the last seed comes the first"
        ranks = [
            (
                list(one["checks"].values()).count("fail"),
                list(one["checks"].values()).count("warn"),
                -one["score"],
            )
            for one in told["candidates"]
        ]
        assert ranks == sorted(ranks)
        assert len({one["score"] for one in told["candidates"]}) == 3
        for index, seed in enumerate(seeds):
            alone = try_on(seed=seed)
            assert torch.equal(alone[0][0], candidates[index])
            assert [one["seed"] for one in report(alone)["candidates"]] == [seed]

    def test_a_batch_equals_single_calls(self, torch, installed, try_on, parse):
        installed("flux2-klein")
        person = parse("person_full.jpg")[0]
        people = torch.cat([person, person.flip(2)])
        both = try_on(person=people, seed=5, candidates=2)
        assert both[0].shape[0] == both[1].shape[0] == both[2].shape[0] == both[3].shape[0] == 2
        assert both[4].shape[0] == 4
        reports = report(both)
        for index in range(2):
            alone = try_on(person=people[index : index + 1], seed=5, candidates=2)
            for output in range(4):
                assert torch.equal(both[output][index], alone[output][0])
            assert torch.equal(both[4][2 * index : 2 * index + 2], alone[4])
            assert reports[index]["candidates"] == report(alone)["candidates"]
            assert reports[index]["changed_outside"] == 0
        assert not torch.equal(both[0][0], both[0][1].flip(1))

    def test_outside_the_mask_no_candidate_differs(self, torch, installed, try_on, parse):
        installed("flux2-klein")
        person = parse("person_full.jpg")[0]
        # Values between the 256 levels, as an upscaler or a decoder leaves them.
        person = (person + torch.rand(person.shape) / 600).clamp(0, 1)
        done = try_on(person=person, candidates=2)
        outside = done[1][0] == 0
        assert 0.1 < outside.float().mean() < 0.98
        for one in done[4]:
            assert torch.equal(one[outside], person[0][outside])
        assert not torch.equal(done[4][0], done[4][1])

    def test_warp_makes_one_and_says_so(self, installed, try_on):
        done = try_on(engine="warp", candidates=4)
        assert done[4].shape[0] == 1
        assert "one candidate was made instead of 4" in " ".join(report(done)["notices"])

    def test_the_measures_of_check_quality_choose(self, nodes, try_on, parse, installed):
        from dressform.inference.order import Candidate
        from dressform.nodes import ranking, tensors

        source, parsing, _ = parse("flat_tee.jpg")
        [photo] = tensors.to_pictures(parse("person_full.jpg")[0], "person")
        done = try_on(engine="warp")
        [worn] = tensors.to_pictures(done[0], "image")
        [repainted], [garment] = done[1].numpy(), done[2].numpy()
        hazy = np.where(garment[..., None] > 0, worn // 2 + 110, worn).astype(np.uint8)
        rank = ranking.by_quality(tensors.to_pictures(source, "garment")[0], parsing[0], photo)
        good, bad = (rank(Candidate(one, garment, repainted)) for one in (worn, hazy))
        assert good.order < bad.order
        assert good.details["score"] > bad.details["score"]
        assert bad.details["overall"] == "fail"


class TestModelPhoto:
    @pytest.mark.parametrize("engine", WEIGHTS)
    def test_each_engine_paints_a_body_and_leaves_the_garment(
        self, torch, installed, model_photo, parse, engine
    ):
        from dressform.imaging import masks

        installed(engine)
        photo, _, mask = parse("headless/photo.jpg")
        photo = (photo + torch.rand(photo.shape) / 600).clamp(0, 1)
        done = model_photo(image=photo, engine=engine, candidates=2, seed=3, steps=2)
        told, repainted = report(done), done[1][0]
        assert (told["engine"], told["task"]) == (engine, "mannequin-to-model")
        assert told["changed_outside"] == 0
        kept = torch.from_numpy(masks.shrink(mask[0].numpy() > 0.5, 5))
        assert kept.sum() > 2000
        assert (repainted[kept] == 0).all()
        for one in done[4]:
            assert torch.equal(one[repainted == 0], photo[0][repainted == 0])
            assert 0.02 < (one != photo[0]).any(-1).float().mean() < 0.9
        assert not torch.equal(done[4][0], done[4][1])
        assert (done[3][0][kept] == 0).all(), "what was photographed is not called generated"
        assert torch.equal(done[6], photo)

    def test_hints_pose_and_person_are_looked_at(self, torch, nodes, installed, model_photo, parse):
        installed("sdxl-union")
        parsing = parse("headless/photo.jpg")[1]
        hints, pose, _ = nodes.ProposeHints.execute(parsing=parsing, all_parts=False).args
        plain = model_photo(engine="sdxl-union")[0]
        for extra in ({"hints": hints}, {"person": parse("person.jpg")[0]}, {"prompt": "red hair"}):
            assert not torch.equal(model_photo(engine="sdxl-union", **extra)[0], plain)
        assert torch.equal(model_photo(engine="sdxl-union")[0], plain)
        assert pose

    def test_a_new_background_leaves_nothing_but_the_garment(self, installed, model_photo):
        installed("flux2-klein")
        kept, new = (model_photo(background=one) for one in ("keep", "new"))
        assert (kept[1] == 0).float().mean() > (new[1] == 0).float().mean() + 0.2
        assert (new[1][0, :10] > 0).all()

    def test_the_mask_of_the_user_holds(self, torch, installed, model_photo, parse):
        installed("flux2-klein")
        photo = parse("headless/photo.jpg")[0]
        allowed = torch.zeros(photo.shape[:3])
        allowed[:, :60] = 1
        done = model_photo(repaint_mask=allowed)
        assert (done[1][allowed == 0] == 0).all()
        assert torch.equal(done[0][:, 60:], photo[:, 60:])
        assert not torch.equal(done[0], photo)

    def test_a_batch_equals_single_calls(self, torch, installed, model_photo, parse):
        installed("flux2-klein")
        photo, parsing, mask = parse("headless/photo.jpg")
        both = model_photo(
            image=torch.cat([photo, photo * 0.9]), garment_mask=mask, parsing=parsing * 2
        )
        alone = model_photo(image=photo * 0.9)
        assert [one["changed_outside"] for one in report(both)] == [0, 0]
        for output in (0, 1, 2, 3, 6):
            assert torch.equal(both[output][1], alone[output][0])


class TestFallback:
    def test_missing_weights_fall_back_to_warp_with_a_notice(
        self, torch, nodes, installed, model_photo, parse
    ):
        person = parse("person.jpg")[0]
        done = model_photo(person=person, when_weights_missing="warp")
        told = report(done)
        [notice] = [one for one in told["notices"] if "used instead" in one]
        assert notice.startswith("The engine warp was used instead: weights of FLUX.2")
        assert "dressform weights get flux2-klein-4b" in notice
        assert notice in done.ui["text"]
        assert (told["engine"], told["weights"], told["changed_outside"]) == ("warp", [], 0)
        assert done[0].shape == person.shape
        assert torch.equal(done[6], person), "warp paints on the person"
        assert torch.equal(done[0][done[1] == 0], person[done[1] == 0])

    @pytest.mark.parametrize("missing", [True, False], ids=["warp", "an engine"])
    def test_against_what_was_painted_on_check_quality_finds_no_leak(
        self, nodes, installed, model_photo, parse, missing
    ):
        if not missing:
            installed("flux2-klein")
        photo, parsing, _ = parse("headless/photo.jpg")
        done = model_photo(person=parse("person.jpg")[0], when_weights_missing="warp")
        found = {}
        for name, against in (("painted_on", done[6]), ("another", 1 - done[6])):
            scores = nodes.CheckQuality.execute(
                result=done[0],
                source=photo,
                parsing=parsing,
                person=against,
                repainted_mask=done[1],
                worn_garment=done[2],
            )[1]
            [found[name]] = [c for c in json.loads(scores)["checks"] if c["name"] == "leak"]
        assert (found["painted_on"]["state"], found["painted_on"]["value"]) == ("pass", 0)
        assert found["another"]["state"] == "fail"

    def test_without_weights_stop_says_how_to_get_them(self, installed, model_photo):
        with pytest.raises(FileNotFoundError, match="dressform weights get flux2-klein-4b"):
            model_photo()

    def test_warp_without_a_person_says_what_to_connect(self, installed, model_photo):
        with pytest.raises(ValueError, match=r"person must be connected for the engine warp.*get"):
            model_photo(when_weights_missing="warp")


class TestUsage:
    @pytest.mark.parametrize(
        ("node", "engine", "sentence"),
        [
            ("TryOn", "catvton", r"CatVTON.*CC BY-NC-SA 4\.0"),
            ("TryOn", "flux-fill", r"FLUX\.1.*Non-Commercial"),
        ],
    )
    def test_engines_that_may_not_be_sold_with_are_refused_by_name(
        self, nodes, installed, try_on, node, engine, sentence
    ):
        with pytest.raises(PermissionError, match=sentence):
            try_on(engine=engine)
        refused = getattr(nodes, node).validate_inputs(engine=engine, usage="commercial")
        assert "usage" in refused
        with pytest.raises(FileNotFoundError, match="dressform weights get"):
            try_on(engine=engine, usage="research")

    def test_weights_that_may_not_be_sold_with_are_refused_by_their_licence(
        self, torch, installed, model_photo, monkeypatch
    ):
        from dressform.inference import weights

        installed("flux2-klein")
        forbidden = weights.entry("flux2-klein-4b")._replace(commercial=False, licence="NC 1.0")
        known = {**weights.entries(), "flux2-klein-4b": forbidden}
        monkeypatch.setattr(weights, "entries", lambda: known)
        with pytest.raises(PermissionError, match=r"FLUX\.2.*NC 1\.0"):
            model_photo()
        told = report(model_photo(usage="research"))
        assert (told["usage"], told["weights"][0]["licence"]) == ("research", "NC 1.0")

    def test_a_lora_of_unknown_licence_is_refused_by_name(
        self, nodes, installed, model_photo, tmp_path
    ):
        import tiny_lora
        from dressform.inference.order import Settings
        from dressform.inference.painter import Lora

        installed("flux2-klein")
        from dressform.inference import residency

        model_photo()
        [resident] = residency.WARM.residents()
        with residency.WARM.lease(resident.key, lambda: None, 0) as painter:
            path = tiny_lora.write(
                tmp_path / "shiny.safetensors",
                painter.pipeline.transformer,
                component="transformer",
                layers=("to_q",),
            )
        unknown = Settings(loras=(Lora(path),))
        with pytest.raises(PermissionError, match=r"shiny\.safetensors"):
            model_photo(settings=unknown)
        declared = Settings(loras=(Lora(path, licence="commercial"),))
        assert report(model_photo(settings=declared))["loras"][0]["licence"] == "commercial"
