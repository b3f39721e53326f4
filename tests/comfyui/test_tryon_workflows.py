"""The shipped try-on workflows on the real server: without weights, and with tiny random ones."""

import csv
import functools
import importlib.util
import io
import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from dressform import install
from dressform.comfyui import run, session
from dressform.comfyui.server import Server
from dressform.imaging import masks, parse, pictures
from dressform.inference import engine as engines
from PIL import Image

pytestmark = pytest.mark.comfyui

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / "workflows"
CORE_WEIGHTS = {
    "checkpoints": "sd_xl_base_1.0.safetensors",
    "controlnet": "controlnet-union-sdxl-1.0-promax.safetensors",
}
TIMEOUT_S = 600  # some seconds; busy machines take far longer


@pytest.fixture(scope="module")
def server(comfyui_folder, tmp_path_factory):
    """A ComfyUI whose models folder is of this file alone, with the lent photos at 384 pixels."""
    base = tmp_path_factory.mktemp("comfyui")
    for name in (*CORE_WEIGHTS, "dressform", "loras"):
        (base / "models" / name).mkdir(parents=True)  # else it is a link to the user's own
    with Server(comfyui_folder, packs=[session.PACK], base=base).start() as started:
        assert not (base / "models").is_symlink()
        for copy in install.lend_samples(base / "input"):
            with Image.open(copy) as photo:
                photo.thumbnail((384, 384))
                photo.save(copy, format="PNG")  # decoded alike by all
        yield started


@pytest.fixture
def execute(server, tmp_path):
    """Returns a function: runs a workflow; gives a function that finds the files of a title."""

    def start(name, *settings):
        path = WORKFLOWS / f"{name}.json"
        done = run.run(path, server.url, tmp_path, settings=settings, stream=io.StringIO())
        found = {done.titles[node]: shown for node, shown in done.outputs.items()}
        return lambda title: tmp_path / found[title]["files"][0]

    return start


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def sample(server, name):
    return pictures.open_picture(server.base / "input" / name)


def of_size(small, large):
    """Whether `small` is not a picture of one colour and has the size of `large`."""
    return small.shape == large.shape and small.std() > 2


@pytest.mark.parametrize(
    ("name", "picture", "person", "reports"),
    [
        ("tryon_flat_garment", "On-model picture", "dressform_person_full.jpg", ["Report"]),
        ("tryon_from_mannequin", "On-model picture", "dressform_person.jpg", ["Report"]),
        ("mannequin_to_model", "On-model picture", "dressform_person.jpg", ["Report"]),
        (
            "outfit",
            "Outfit",
            "dressform_person_full.jpg",
            ["Report, lower garment", "Report, upper garment"],
        ),
    ],
)
def test_without_weights_it_runs_and_proves_what_it_left_alone(
    server, execute, name, picture, person, reports
):
    found = execute(name)
    result, before = pictures.open_picture(found(picture)), sample(server, person)
    assert of_size(result, before)
    assert 0.05 < (result != before).any(-1).mean() < 0.8
    for title in reports:
        told = read(found(title))
        assert told["engine"] == "warp"
        assert told["changed_outside"] == 0
        assert told["weights"] == []


def leak(scores):
    [found] = [check for check in read(scores)["checks"] if check["name"] == "leak"]
    return found["state"], found["value"]


def test_without_weights_the_notice_says_how_to_get_them(execute):
    found = execute("mannequin_to_model")
    [notice] = read(found("Report"))["notices"]
    assert leak(found("Quality scores")) == ("pass", 0)  # against the person, who was painted on
    assert notice.startswith("The engine warp was used instead: weights of FLUX.2")
    assert "weights get flux2-klein-4b" in notice


def test_in_an_outfit_the_top_is_laid_over_the_trousers(server, execute):
    found = execute("outfit")
    outfit = pictures.open_picture(found("Outfit"))
    lower = read(found("Quality, lower garment"))
    upper = read(found("Quality, upper garment"))
    assert {lower["schema"], upper["schema"]} == {"dressform.quality/2"}
    alone = pictures.open_picture(
        execute("outfit", "Upper garment.image=dressform_tee.jpg")("Outfit")
    )
    legs = np.s_[int(0.75 * len(outfit)) :]
    assert (outfit[legs] == alone[legs]).all()  # the same trousers under another top
    assert (outfit != alone).any()


def test_an_outfit_shows_where_each_garment_may_be_painted(server, execute):
    # Unlike the nodes of other tests, or nothing would be shown again.
    lower, upper = "What the trousers may change", "What the top may change"
    found = execute("outfit", f"{lower}.region=lower", f"{upper}.region=upper")
    person = sample(server, "dressform_person_full.jpg")
    for title, preview in ((lower, "Mask for the trousers"), (upper, "Mask for the top")):
        mask = pictures.open_picture(found(preview))[..., 0] > 127
        assert mask.shape == person.shape[:2]
        assert 0.1 < mask.mean() < 0.5
        shown = pictures.open_picture(found(title))
        assert (shown[mask] == 128).mean() > 0.99
        head = np.s_[: len(mask) // 8]
        assert not mask[head].any()


def test_a_press_of_run_dresses_every_model_of_the_folder(server, execute):
    execute("catalog_batch")
    wait(server)
    out = server.base / "output" / "dressform_catalog"
    with (out / "manifest.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = {line["sku"]: line["status"] for line in csv.DictReader(file)}
    assert lines == {"anna": "done", "ben": "done", "carla": "done"}
    for name in lines:
        result = pictures.open_picture(out / name / f"{name}.png")
        assert of_size(result, sample(server, f"dressform_people/{name}.jpg"))
        assert read(out / "reports" / f"{name}_00001.json")["changed_outside"] == 0
        assert read(out / "reports" / f"{name}_quality_00001.json")["overall"]


def wait(server):
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        with urllib.request.urlopen(server.url + "/queue") as answer:  # noqa: S310 (loopback)
            if not any(json.loads(answer.read()).values()):
                return
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture(scope="module")
def tiny(server, need):
    """Writes tiny random weights of engines where the server looks for them."""
    folder = server.base / "models" / "dressform"

    @functools.cache
    def write(engine, module):
        code = f"dressform.inference.{engines.entry(engine).module}"
        if importlib.util.find_spec(code) is None:
            need(f"the engine {engine}", f"It is listed, and to be written as {code}.")
        program = Path(__file__).with_name("tiny_weights.py")
        subprocess.run([sys.executable, program, module, folder], check=True)

    return write


@pytest.mark.parametrize(
    ("engine", "module"), [("flux2-klein", "tiny_flux2"), ("sdxl-union", "tiny_sdxl")]
)
def test_an_engine_paints_the_body_and_leaves_the_garment(server, execute, tiny, engine, module):
    tiny(engine, module)
    found = execute(
        "mannequin_to_model",
        f"Make Model Photo.engine={engine}",
        "Make Model Photo.steps=1",
        "Make Model Photo.when_weights_missing=stop",
    )
    told = read(found("Report"))
    assert (told["engine"], told["changed_outside"]) == (engine, 0)
    assert all(weights["commercial"] is True for weights in told["weights"])
    assert leak(found("Quality scores")) == ("pass", 0)  # against the mannequin
    shot = sample(server, "dressform_mannequin.jpg")
    result = pictures.open_picture(found("On-model picture"))
    assert of_size(result, shot)
    garment = masks.shrink(parse.parse(shot).garment, 6)
    assert garment.sum() > 5_000
    assert (result[garment] == shot[garment]).all()
    assert 0.02 < (result != shot).any(-1).mean() < 0.9


@pytest.mark.parametrize("name", ["tryon_flat_garment", "tryon_from_mannequin"])
def test_an_engine_paints_the_garment_onto_the_person(execute, tiny, name):
    tiny("flux2-klein", "tiny_flux2")
    found = execute(name, "Try On.engine=flux2-klein", "Try On.steps=1", "Try On.candidates=2")
    told = read(found("Report"))
    assert (told["engine"], told["changed_outside"]) == ("flux2-klein", 0)
    assert sorted(one["seed"] for one in told["candidates"]) == [0, 1]
    assert told["generated_share"] > 0.02


def test_an_outfit_is_painted_garment_by_garment(execute, tiny):
    tiny("flux2-klein", "tiny_flux2")
    pieces = ("Try on the lower garment", "Try on the upper garment")
    chosen = [f"{piece}.{value}" for piece in pieces for value in ("engine=flux2-klein", "steps=1")]
    found = execute("outfit", *chosen)
    for title in ("Report, lower garment", "Report, upper garment"):
        told = read(found(title))
        assert (told["engine"], told["changed_outside"]) == ("flux2-klein", 0)


@pytest.fixture(scope="module")
def core_weights(server):
    """The files that the core workflow names; nothing but zeros."""
    places = [server.base / "models" / folder / name for folder, name in CORE_WEIGHTS.items()]
    program = Path(__file__).with_name("empty_weights.py")
    subprocess.run([sys.executable, program, server.comfyui, *places], check=True)


@pytest.mark.usefixtures("core_weights")
def test_core_nodes_paint_and_the_photo_comes_back_exactly(server, execute):
    found = execute("mannequin_to_model_core", "Render Hints.working_px=128", "KSampler.steps=2")
    shot = sample(server, "dressform_mannequin.jpg")
    result = pictures.open_picture(found("On-model picture"))
    assert result.shape == shot.shape
    garment = masks.shrink(parse.parse(shot).garment, 6)
    assert (result[garment] == shot[garment]).all()
    corner = np.s_[:30, :30]
    assert (result[corner] == shot[corner]).all()
    assert 0.05 < (result != shot).any(-1).mean() < 0.6
    assert read(found("Quality scores"))["schema"] == "dressform.quality/2"
