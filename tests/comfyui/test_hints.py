"""The shipped hint workflows on the real server: without weights, with empty ones, on a folder."""

import csv
import io
import json
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from dressform.comfyui import run, session
from dressform.comfyui.server import Server
from dressform.imaging import body, cutout, hints, parse, pictures, strokes
from PIL import Image

pytestmark = pytest.mark.comfyui

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / "workflows"
WEIGHTS = {
    "checkpoints": "sd_xl_base_1.0.safetensors",
    "controlnet": "controlnet-union-sdxl-1.0-promax.safetensors",
}
TIMEOUT_S = 600  # a minute; busy machines take far longer


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder for weights of this file alone; empty at first."""
    folder = tmp_path_factory.mktemp("models")
    for name in WEIGHTS:
        (folder / name).mkdir()
    return folder


@pytest.fixture(scope="module")
def server(comfyui_folder, models, tmp_path_factory):
    listed = "".join(f"  {name}: {name}\n" for name in WEIGHTS)
    paths = models / "paths.yaml"
    paths.write_text(f"tests:\n  base_path: {json.dumps(str(models))}\n{listed}")
    with Server(
        comfyui_folder,
        packs=[session.PACK],
        base=tmp_path_factory.mktemp("comfyui"),
        arguments=["--extra-model-paths-config", str(paths)],
    ).start() as started:
        yield started


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Returns the path of a sample photo of 384 pixels."""
    folder = tmp_path_factory.mktemp("photos")

    def shrink(sample):
        path = folder / f"{sample}.png"
        with Image.open(ROOT / "samples" / sample / "photo.jpg") as photo:
            photo.thumbnail((384, 384))
            photo.save(path)
        return path

    return shrink


def prompt_of(name):
    return json.loads((WORKFLOWS / "api" / f"{name}.json").read_text(encoding="utf-8"))


def ask(server, path, content=None):
    data = None if content is None else json.dumps(content).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(server.url + path, data, headers)  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310 (loopback)
        return json.loads(answer.read() or b"{}")


def wait(server):
    deadline = time.monotonic() + TIMEOUT_S
    while any(ask(server, "/queue").values()):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_without_weights_everything_up_to_render_hints_runs(server, small):
    prompt = prompt_of("hints_on_mannequin")
    photo = server.base / "input" / "without.png"
    shutil.copyfile(small("dressform"), photo)
    prompt["1"]["inputs"]["image"] = photo.name
    answer = ask(server, "/prompt", {"prompt": prompt})
    assert set(answer["node_errors"]) == {"10", "11"}  # what is missing, by node
    wait(server)
    record = ask(server, f"/history/{answer['prompt_id']}")[answer["prompt_id"]]
    assert record["status"]["status_str"] == "success"
    shown = {node: given["images"] for node, given in record["outputs"].items() if node in "789"}
    assert sorted(shown) == ["7", "8", "9"]
    for [image] in shown.values():
        with Image.open(server.base / "temp" / image["filename"]) as picture:
            assert picture.size == (864, 1152)
            assert np.asarray(picture).std() > 2  # something is drawn
    assert record["outputs"]["4"]["dressform_hints"][0]["status"] == "proposal"


@pytest.fixture(scope="module")
def weights(server, models):
    """The files that the workflow names, where the server looks for them; nothing but zeros."""
    places = [models / folder / name for folder, name in WEIGHTS.items()]
    program = Path(__file__).with_name("empty_weights.py")
    subprocess.run([sys.executable, program, server.comfyui, *places], check=True)


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize("form", ["", "api"], ids=["editor", "machine"])
def test_with_weights_all_of_it_runs_and_the_garment_stays_the_photos_own(
    server, small, tmp_path, form
):
    photo = small("dressform")
    done = run.run(
        WORKFLOWS / form / "hints_on_mannequin.json",
        server.url,
        tmp_path,
        settings=[
            f"Mannequin photo.image={photo}",
            "Render Hints.working_px=128",
            "KSampler.steps=2",
        ],
        stream=io.StringIO(),
    )
    [saved] = next(o["files"] for n, o in done.outputs.items() if done.titles[n] == "Worn")
    worn, shot = (pictures.open_picture(path) for path in (tmp_path / saved, photo))
    assert worn.shape == shot.shape
    parsing = parse.parse(shot)
    opaque = (cutout.remove(shot, parsing).alpha == 1) & ~parsing.interior
    assert opaque.sum() > 0.9 * parsing.garment.sum() > 5_000
    assert (worn[opaque] == shot[opaque]).all()
    corner = np.s_[:40, :40]
    assert not (worn[corner] == shot[corner]).all()  # painted: all that zeros can paint


def test_one_set_of_strokes_serves_a_folder(server, small):
    folder, out = server.base / "input" / "shoot", server.base / "output" / "shoot"
    folder.mkdir()
    for sample in ("dressform", "ghost"):
        shutil.copyfile(small(sample), folder / f"{sample}.png")
    shot = pictures.open_picture(small("dressform"))
    parsing = parse.parse(shot)
    drawn = hints.propose(parsing, body.locate(parsing), photo=strokes.fingerprint(shot))
    prompt = prompt_of("hints_batch")
    prompt["1"]["inputs"] |= {"folder": folder.name, "save_to": out.name}
    prompt["4"]["inputs"]["strokes"] = strokes.to_json(drawn)
    prompt["5"]["inputs"]["working_px"] = 256
    assert ask(server, "/prompt", {"prompt": prompt})["node_errors"] == {}
    wait(server)
    with (out / "manifest.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [line["status"] for line in csv.DictReader(file)] == ["done", "done"]
    maps = []
    for sample in ("dressform", "ghost"):
        with Image.open(out / sample / f"{sample}_scribble.png") as picture:
            maps.append(np.asarray(picture.convert("L")) > 127)
        with Image.open(out / sample / f"{sample}_hinted.jpg") as picture:
            assert picture.size[1] == 384
    for one in maps:
        assert one.shape == (256, 192)
        assert 0.01 < one.mean() < 0.4
    assert (maps[0] != maps[1]).any()  # fitted to the other body
