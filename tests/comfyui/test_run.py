"""Workflows of core nodes on the real server, from the file to the outputs."""

import io
import json

import numpy as np
import pytest
from dressform.comfyui import run
from dressform.imaging import strokes
from PIL import Image

pytestmark = pytest.mark.comfyui


def node(kind, title=None, **inputs):
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": title or kind}}


@pytest.fixture
def invert():
    """Load 1 -> Invert 2 -> Save 3."""
    return {
        "1": node("LoadImage", "Photo", image="missing.png"),
        "2": node("ImageInvert", image=["1", 0]),
        "3": node("SaveImage", "Result", images=["2", 0], filename_prefix="inverted"),
    }


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (6, 4), (255, 0, 10)).save(path)
    return path


@pytest.fixture
def go(comfyui, tmp_path):
    def start(document, *settings, stream=None):
        path = tmp_path / "workflow.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        out = tmp_path / "out"
        stream = stream or io.StringIO()
        return out, run.run(path, comfyui.url, out, settings=settings, stream=stream)

    return start


def test_picture_is_uploaded_run_and_saved(go, invert, photo):
    out, done = go(invert, f"Photo.image={photo}")
    [name] = done.outputs["3"]["files"]
    with Image.open(out / name) as picture:
        assert picture.size == (6, 4)
        assert picture.convert("RGB").getpixel((0, 0)) == (0, 255, 245)


def test_record_tells_how_it_went(go, invert, photo):
    out, done = go(invert, f"Photo.image={photo}", "Result.filename_prefix=recorded")
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert record["prompt_id"] == done.prompt_id
    assert record["titles"] == {"1": "Photo", "2": "ImageInvert", "3": "Result"}
    assert "3" in record["node_seconds"]
    assert record["server"]["comfyui"]
    assert record["server"]["devices"]
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []


def test_progress_names_each_node_once(go, invert, photo):
    stream = io.StringIO()
    go(
        {
            "7": node("EmptyImage", "Canvas", width=8, height=8, batch_size=1, color=77),
            "8": node("SaveImage", "Result", images=["7", 0], filename_prefix="p"),
        },
        stream=stream,
    )
    assert stream.getvalue().splitlines() == ["1 of 2: Canvas", "2 of 2: Result"]


def test_ui_format_runs_like_api_format(go):
    drawn = {
        "nodes": [
            {"id": 1, "type": "EmptyImage", "mode": 0, "widgets_values": [9, 7, 2, 255]},
            {
                "id": 2,
                "type": "SaveImage",
                "mode": 0,
                "inputs": [{"name": "images", "type": "IMAGE", "link": 1}],
                "widgets_values": ["drawn"],
            },
        ],
        "links": [[1, 1, 0, 2, 0, "IMAGE"]],
        "version": 0.4,
    }
    out, done = go(drawn)
    assert len(done.outputs["2"]["files"]) == 2
    with Image.open(out / done.outputs["2"]["files"][0]) as picture:
        assert picture.size == (9, 7)
        assert json.loads(picture.info["workflow"])["version"] == 0.4


def test_outputs_of_every_kind_come(go):
    document = {
        "1": node("EmptyImage", width=5, height=5, batch_size=1, color=1),
        "2": node("PreviewImage", images=["1", 0]),
        "3": node("PreviewAny", source=["1", 0]),
        "4": node("SaveImage", images=["1", 0], filename_prefix="deep/er/name"),
    }
    out, done = go(document)
    assert done.outputs["2"]["files"][0].startswith("temp/")
    assert done.outputs["4"]["files"][0].startswith("deep/er/name")
    for output in ("2", "4"):
        assert (out / done.outputs[output]["files"][0]).stat().st_size > 0
    assert done.outputs["3"]["values"]["text"]


def test_one_wrong_branch_fails_the_run_though_the_server_takes_the_other(go):
    document = {
        "1": node("EmptyImage", width=5, height=5, batch_size=1, color=2),
        "2": node("SaveImage", images=["1", 0], filename_prefix="good"),
        "3": node("EmptyImage", "Too Wide", width=10**9, height=5, batch_size=1, color=2),
        "4": node("SaveImage", "Bad", images=["3", 0], filename_prefix="bad"),
    }
    with pytest.raises(ValueError, match=r"Too Wide \(node 3\): .*(bigger|max)"):
        go(document)


def test_wholly_wrong_workflow_names_every_node(go):
    with pytest.raises(ValueError, match=r"Result \(node 3\): .*images"):
        go({"3": node("SaveImage", "Result", filename_prefix="x")})


def test_value_that_the_server_does_not_have_names_its_node(go):
    document = {
        "7": node("LoadLatent", "Latent", latent="none.latent"),
        "8": node("SaveLatent", samples=["7", 0], filename_prefix="x"),
    }
    with pytest.raises(ValueError, match=r"Latent \(node 7\)"):
        go(document)


def test_failing_node_is_named_with_its_message(go):
    document = {
        "1": node("EmptyImage", width=64, height=64, batch_size=2, color=3),
        "2": node("EmptyImage", width=64, height=64, batch_size=3, color=4),
        "3": node("DressformParsePhoto", image=["2", 0]),
        "4": node(
            "DressformCheckQuality", "Verdict", result=["1", 0], source=["1", 0], parsing=["3", 0]
        ),
        "5": node("PreviewAny", source=["4", 0]),
    }
    with pytest.raises(
        RuntimeError, match=r"Verdict \(node 4\): .*batch size.*got 3 and 2\. Repeat"
    ):
        go(document)


def test_workflow_without_output_is_refused(go):
    with pytest.raises(ValueError, match="must have a node that saves or shows something"):
        go({"1": node("EmptyImage", width=5, height=5, batch_size=1, color=2)})


def test_unknown_node_is_refused_before_anything_runs(go):
    with pytest.raises(ValueError, match=r"got 'Magic' \(node 1\)"):
        go({"1": node("Magic")})


def test_address_without_a_server_is_explained(tmp_path, invert):
    path = tmp_path / "workflow.json"
    path.write_text(json.dumps(invert), encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"a ComfyUI must listen at http://127\.0\.0\.1:9"):
        run.run(path, "127.0.0.1:9", tmp_path / "out")


def test_a_branch_that_ends_in_good_order_says_why(go, photo):
    line = strokes.stroke("head", np.array([[1, 1, 1], [2, 2, 1]]), 1, closed=False)
    other = strokes.StrokeDocument(6, 4, "0123456789abcdef", (line,))
    drawing = {
        "1": node("LoadImage", "Photo", image="missing.png"),
        "2": node(
            "DressformDrawHints",
            "Drawing",
            image=["1", 0],
            strokes=strokes.to_json(other),
            when_photo_changes="stop",
        ),
        "3": node(
            "DressformRenderHints",
            hints=["2", 0],
            image=["1", 0],
            grow_px=0,
            working_px=0,
            line_px=0.0,
        ),
        "4": node("SaveImage", "Result", images=["3", 0], filename_prefix="drawn"),
    }
    with pytest.raises(RuntimeError, match=r"Result \(node 4\).*Drawing \(node 2\): .*photo"):
        go(drawing, f"Photo.image={photo}")
