"""The shipped workflows that check, compare and sweep, on the real server without weights."""

import io
import json
import time
import urllib.request
from pathlib import Path

import pytest
from dressform import install
from dressform.comfyui import run, session
from dressform.comfyui.server import Server
from dressform.imaging import pictures
from PIL import Image

pytestmark = pytest.mark.comfyui

WORKFLOWS = Path(__file__).parents[2] / "workflows"
TIMEOUT_S = 600  # some seconds; busy machines take far longer


@pytest.fixture(scope="module")
def server(comfyui_folder, tmp_path_factory):
    """A ComfyUI without any weights, with the lent photos at 384 pixels."""
    base = tmp_path_factory.mktemp("comfyui")
    for name in ("dressform", "loras"):
        (base / "models" / name).mkdir(parents=True)  # else it is a link to the user's own
    with Server(comfyui_folder, packs=[session.PACK], base=base).start() as started:
        for copy in install.lend_samples(base / "input"):
            with Image.open(copy) as photo:
                photo.thumbnail((384, 384))
                photo.save(copy, format="PNG")  # decoded alike by all
        yield started


@pytest.fixture
def execute(server, tmp_path):
    """Returns a function: runs a workflow; gives its record and what each title put out."""

    def start(name, *settings):
        done = run.run(
            WORKFLOWS / name, server.url, tmp_path, settings=settings, stream=io.StringIO()
        )
        found = {done.titles[node]: shown for node, shown in done.outputs.items()}
        return done, found

    return start


def ran(done):
    """The titles of the nodes that were executed and not taken from the cache."""
    return {done.titles[node] for node in done.node_seconds}


RETRIES = {"Next seed", "Check the next seed", "Without painting", "Check without painting"}


def report(tmp_path, found):
    path = tmp_path / found["What happened"]["files"][0]
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_picture_that_is_good_enough_spares_the_retries(execute, tmp_path):
    done, found = execute("quality_gate.json")
    assert not ran(done) & RETRIES
    assert "First try" in ran(done)
    told = report(tmp_path, found)
    assert (told["route"], told["tries_run"]) == ("pass", 1)
    assert found["Good picture"]["files"]
    assert "For review, repaired" not in found


@pytest.fixture
def blurred(tmp_path):
    """The shipped workflow, its tries blurred one more than the other: none can be sold."""
    prompt = json.loads((WORKFLOWS / "api" / "quality_gate.json").read_text(encoding="utf-8"))
    tries = [key for key, node in prompt.items() if node["class_type"] == "DressformTryOn"]
    for node in prompt.values():
        for name, value in node["inputs"].items():
            if isinstance(value, list) and value[0] in tries and value[1] == 0:
                node["inputs"][name] = [f"{value[0]}0", 0]
    for count, key in enumerate(tries):
        inputs = {"image": [key, 0], "blur_radius": 12 - 4 * count, "sigma": 1.0}
        prompt[f"{key}0"] = {"class_type": "ImageBlur", "inputs": inputs}
    path = tmp_path / "blurred.json"
    path.write_text(json.dumps(prompt), encoding="utf-8")
    return path


def test_what_never_gets_good_is_kept_for_review_with_its_reasons(
    server, execute, blurred, tmp_path
):
    done, found = execute(blurred, "Quality Gate.name=soft")
    assert ran(done) >= RETRIES
    told = report(tmp_path, found)
    [one] = told["pictures"]
    assert (told["route"], one["chosen"]) == ("review", 3)  # the least blurred
    saved = [server.base / "output" / name for name in one["saved"]]
    assert [path.name for path in saved] == [f"soft_try{n}.png" for n in (1, 2, 3)]
    assert all(pictures.open_picture(path).std() > 2 for path in saved)
    why = json.loads((saved[0].parent / "soft.json").read_text(encoding="utf-8"))
    assert all(tried["reasons"] for tried in why["tries"])
    assert "Good picture" not in found
    assert found["For review, repaired"]["files"]


def test_one_photo_does_not_decide_which_version_is_better(execute, tmp_path):
    _, found = execute("compare_models.json")
    told = json.loads((tmp_path / found["Everything"]["files"][0]).read_text(encoding="utf-8"))
    assert told["decision"] == "NEED MORE"
    assert (told["scenes"], len(told["seeds"])) == (1, 2)
    text = (tmp_path / found["Verdict"]["files"][0]).read_text(encoding="utf-8")
    assert text.strip() == "NEED MORE"
    assert pictures.open_picture(tmp_path / found["Table"]["files"][0]).std() > 2


def test_a_sweep_ends_with_a_sheet_and_a_suite(server, execute):
    done, found = execute("sweep_lora.json", "Sweep Settings.grid=Try On.steps = 8 | 20")
    assert "Contact sheet" not in found  # it comes with the last run
    assert "Try On" not in ran(done)
    wait(server)
    folder = server.base / "output" / "sweeps" / "lora_test"
    assert {path.name for path in (folder / "variants").iterdir()} == {"01.json", "02.json"}
    assert len(list((folder / "pictures").rglob("1.png"))) == 2
    [sheet] = (server.base / "output" / "dressform").glob("sheet_*.png")
    assert pictures.open_picture(sheet).std() > 2
    assert (folder / "suite.toml").is_file()


def wait(server):
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        with urllib.request.urlopen(server.url + "/queue") as answer:  # noqa: S310 (loopback)
            if not any(json.loads(answer.read()).values()):
                return
        assert time.monotonic() < deadline
        time.sleep(0.2)
