"""A folder of products in the real ComfyUI: one press, many runs, whatever happens to some."""

import csv
import json
import os
import shutil
import time
import urllib.request
from pathlib import Path

import pytest
from dressform.comfyui.server import Server
from PIL import Image

pytestmark = pytest.mark.comfyui

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 240  # a few seconds; busy machines take far longer
MANY = 120  # photos, which surely take longer than a test sleeps on a busy machine


def ask(url, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url + path, data=data, headers=headers)  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310 (loopback)
        return json.loads(answer.read() or b"{}")


def press_run(url, prompt):
    answer = ask(url, "/prompt", {"prompt": prompt})
    assert answer["node_errors"] == {}


def wait(url, is_there=lambda: False):
    """Waits until nothing is queued any more, or until something is there."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        queue = ask(url, "/queue")
        if is_there() or not (queue["queue_running"] or queue["queue_pending"]):
            return
        time.sleep(0.05)
    raise AssertionError("the queue does not end")


def table(out):
    with (out / "manifest.csv").open(encoding="utf-8-sig", newline="") as file:
        return {line["file"]: line for line in csv.DictReader(file)}


def statuses(out):
    return [line["status"] for line in table(out).values()]


@pytest.fixture
def shop(comfyui, tmp_path):
    """A folder for photos and one for pictures, both of this test alone."""
    name = f"skus-{tmp_path.name}"
    folder, out = comfyui.base / "input" / name, comfyui.base / "output" / name
    folder.mkdir()
    yield folder, out
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(out, ignore_errors=True)


def fill(folder, count):
    for number in range(count):
        Image.new("RGB", (6, 8), (number % 256, 0, 0)).save(folder / f"SKU-{number}.png")


def copying(folder, **changes):
    """Load Product Folder straight into Save Product."""
    load = {
        "folder": folder.name,
        "save_to": folder.name,
        "redo": "never",
        "whole_folder": True,
        "subfolders": True,
        **changes,
    }
    save = {
        "image": ["1", 0],
        "product": ["1", 1],
        "sku": "",
        "format": "png",
        "quality": 92,
        "background": "as given",
        "canvas_px": 0,
        "margin": 0.05,
        "suffix": "",
        "save_to": "products",
    }
    return {
        "1": {"class_type": "DressformLoadFolder", "inputs": load},
        "2": {"class_type": "DressformSaveProduct", "inputs": save},
    }


def test_one_corrupt_file_among_fifty_finishes_forty_nine_and_a_second_press_is_nothing(
    comfyui, shop
):
    folder, out = shop
    fill(folder, 50)
    damaged = folder / "SKU-20.png"
    damaged.write_bytes(damaged.read_bytes()[:-25])  # the end of the file and some pixels
    press_run(comfyui.url, copying(folder))
    wait(comfyui.url)
    assert sorted(statuses(out)) == ["done"] * 49 + ["failed"]
    assert "damaged" in table(out)["SKU-20.png"]["error"]
    assert len(list(out.rglob("*.png"))) == 49
    with Image.open(out / "SKU-7" / "SKU-7.png") as picture:
        assert picture.convert("RGB").getpixel((0, 0)) == (7, 0, 0)
        assert "DressformSaveProduct" in picture.text["prompt"]
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    press_run(comfyui.url, copying(folder))
    wait(comfyui.url)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_cancel_stops_the_folder_and_run_goes_on(comfyui, shop):
    folder, out = shop
    fill(folder, MANY)
    press_run(comfyui.url, copying(folder))
    wait(comfyui.url, lambda: (out / "manifest.csv").exists() and "done" in statuses(out))
    deadline = time.monotonic() + TIMEOUT_S
    # As a user does it: cancel what runs, clear what waits, until it is quiet.
    while any(ask(comfyui.url, "/queue").values()):
        assert time.monotonic() < deadline
        ask(comfyui.url, "/queue", {"clear": True})
        ask(comfyui.url, "/interrupt", {})
    done = statuses(out).count("done")
    assert 1 <= done < MANY
    assert "failed" not in statuses(out)
    press_run(comfyui.url, copying(folder))
    wait(comfyui.url)
    assert statuses(out) == ["done"] * MANY


def test_photo_on_which_a_node_fails_fails_alone_and_says_why(comfyui, shop):
    folder, out = shop
    fill(folder, 3)
    prompt = copying(folder)
    prompt["3"] = {"class_type": "DressformParsePhoto", "inputs": {"image": ["1", 0]}}
    prompt["4"] = {
        "class_type": "DressformProposeHints",
        "inputs": {"parsing": ["3", 0], "all_parts": False},
    }
    prompt["2"]["inputs"]["sku"] = ["4", 0]
    press_run(comfyui.url, prompt)
    wait(comfyui.url)
    assert statuses(out) == ["failed"] * 3
    assert all("garment" in line["error"] for line in table(out).values())


def test_one_photo_for_each_press_where_wanted(comfyui, shop):
    folder, out = shop
    fill(folder, 3)
    for count in (1, 2, 3, 3):
        press_run(comfyui.url, copying(folder, whole_folder=False))
        wait(comfyui.url)
        assert statuses(out) == ["done"] * count


def test_folder_outside_is_refused_in_words(comfyui, shop):
    folder, _ = shop
    prompt = copying(folder)
    prompt["1"]["inputs"]["folder"] = "/etc"
    answer = ask(comfyui.url, "/prompt", {"prompt": prompt})
    wait(comfyui.url)
    entry = ask(comfyui.url, f"/history/{answer['prompt_id']}")[answer["prompt_id"]]
    messages = dict(entry["status"]["messages"])
    sentence = messages["execution_error"]["exception_message"]
    assert "folder must lie inside ComfyUI's input" in sentence
    assert "DRESSFORM_FOLDERS" in sentence


@pytest.mark.skipif(os.name == "nt", reason="has no SIGKILL")
def test_killed_comfyui_goes_on_in_another(comfyui_folder, comfyui, shop, tmp_path):
    folder, out = shop
    fill(folder, MANY)
    other = Server(comfyui_folder, base=comfyui.base, log_path=tmp_path / "log")
    with other.start() as killed:
        press_run(killed.url, copying(folder))
        wait(killed.url, lambda: (out / "manifest.csv").exists() and "done" in statuses(out))
        killed._child.kill()
        killed._child.wait()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("SKU*.png")}
    assert 1 <= len(before) < MANY
    press_run(comfyui.url, copying(folder))
    wait(comfyui.url)
    assert statuses(out) == ["done"] * MANY
    after = {path: path.stat().st_mtime_ns for path in out.rglob("SKU*.png")}
    assert len(after) == MANY
    # The one that was being saved may have been saved twice; no other.
    assert sum(after[path] != moment for path, moment in before.items()) <= 1


def test_shipped_workflow_cuts_a_folder_out(comfyui, shop):
    folder, out = shop
    prompt = json.loads((ROOT / "workflows/api/batch_cutout.json").read_text(encoding="utf-8"))
    [load] = [node for node in prompt.values() if node["class_type"] == "DressformLoadFolder"]
    load["inputs"] |= {"folder": folder.name, "save_to": folder.name}
    (folder / "A1").mkdir()
    with Image.open(ROOT / "samples" / "dressform" / "photo.jpg") as photo:
        photo.resize((288, 384)).save(folder / "A1" / "front.jpg")
    Image.new("RGB", (60, 80), (180, 180, 180)).save(folder / "wall.png")
    (folder / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    press_run(comfyui.url, prompt)
    wait(comfyui.url)
    lines = table(out)
    assert {file: line["status"] for file, line in lines.items()} == {
        "A1/front.jpg": "done",
        "torn.jpg": "failed",
        "wall.png": "failed",
    }
    assert "garment" in lines["wall.png"]["error"]
    assert lines["A1/front.jpg"]["kind"] != ""
    with Image.open(out / "A1" / "front.png") as cutout:
        assert cutout.mode == "RGBA"
        assert cutout.size == (288, 384)
        low, high = cutout.getchannel("A").getextrema()
        assert (low, high) == (0, 255)
    with Image.open(out / "A1" / "front.jpg") as square:
        assert square.size == (2000, 2000)
        assert min(square.getpixel((10, 10))) > 250


def test_shipped_workflow_removes_a_mannequin(comfyui):
    prompt = json.loads((ROOT / "workflows/api/remove_mannequin.json").read_text(encoding="utf-8"))
    with Image.open(ROOT / "samples" / "dressform" / "photo.jpg") as photo:
        photo.resize((288, 384)).save(comfyui.base / "input" / "small.jpg")
    for node in prompt.values():
        if node["class_type"] == "LoadImage":
            node["inputs"]["image"] = "small.jpg"
        if node["class_type"] == "DressformSaveProduct":
            node["inputs"] |= {"sku": "removed", "save_to": "removing"}
    press_run(comfyui.url, prompt)
    wait(comfyui.url)
    made = comfyui.base / "output" / "removing" / "removed"
    assert sorted(path.name for path in made.iterdir()) == ["removed.jpg", "removed.png"]
