"""Draw Hints in a real server: its canvas's routes, and documents of strangers."""

import json
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from dressform.imaging import strokes
from PIL import Image

pytestmark = pytest.mark.comfyui

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@pytest.fixture
def post(comfyui):
    """A function that posts JSON, or bytes as they are; returns status and answer."""

    def send(path, content):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        request = urllib.request.Request(  # noqa: S310 (loopback)
            comfyui.url + path, body, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    return send


@pytest.fixture
def run(comfyui, post):
    """A function that runs a prompt to its end; returns its record in the history."""

    def wait(prompt):
        status, told = post("/prompt", {"prompt": prompt})
        assert status == 200, told
        address = f"{comfyui.url}/history/{told['prompt_id']}"
        for _ in range(1200):
            with urllib.request.urlopen(address) as answer:  # noqa: S310 (loopback)
                history = json.load(answer)
            if history:
                return history[told["prompt_id"]]
            time.sleep(0.25)
        return pytest.fail("the prompt did not end")

    return wait


@pytest.fixture(scope="module")
def photo(comfyui):
    """The name of a photo in the server's input folder: a JPEG that is stored turned."""
    with Image.open(SAMPLES / "dressform" / "photo.jpg") as picture:
        small = picture.convert("RGB").resize((384, 512))
    exif = Image.Exif()
    exif[0x0112] = 6
    (comfyui.base / "input" / "shop").mkdir(exist_ok=True)
    small.rotate(90, expand=True).save(comfyui.base / "input" / "shop" / "a b.jpg", exif=exif)
    return {"filename": "a b.jpg", "subfolder": "shop", "type": "input"}


@pytest.fixture
def quiet(comfyui):
    """Fails the test where the server's log got a traceback meanwhile."""
    before = len(comfyui.log())
    yield
    said = comfyui.log()[before:]
    assert "Traceback" not in said
    assert "Exception during processing" not in said


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


def drawing(text="", rule="stop"):
    """Load Image -> Draw Hints -> Render Hints -> Preview Image."""
    return {
        "1": node("LoadImage", image="shop/a b.jpg"),
        "2": node("DressformDrawHints", image=["1", 0], strokes=text, when_photo_changes=rule),
        "3": node(
            "DressformRenderHints",
            hints=["2", 0],
            image=["1", 0],
            grow_px=0,
            working_px=0,
            line_px=0.0,
        ),
        "4": node("PreviewImage", images=["3", 0]),
    }


def document(photo="", **changes):
    line = strokes.stroke("head", np.array([[60, 10, 1], [70, 12, 0.5]]), 2, closed=False)
    return strokes.StrokeDocument(384, 512, photo, (line,))._replace(**changes)


@pytest.mark.usefixtures("quiet")
class TestRoutes:
    def test_the_fingerprint_is_that_of_a_run(self, post, run, photo):
        status, told = post("/dressform/hints/photo", {"photo": photo})
        assert (status, told["width"], told["height"]) == (200, 384, 512)
        history = run(drawing())
        (entry,) = history["outputs"]["2"]["dressform_hints"]
        assert entry["fingerprint"] == told["fingerprint"]
        assert entry["status"] == "empty"
        seen = entry["photo"] | {"width": 384, "height": 512, "fingerprint": entry["fingerprint"]}
        assert post("/api/dressform/hints/photo", {"photo": seen}) == (200, told)

    def test_a_proposal_can_be_drawn_and_fitted(self, post, run, photo):
        status, told = post("/dressform/hints/propose", {"photo": photo, "options": {}})
        assert status == 200
        assert {stroke["source"] for stroke in told["document"]["strokes"]} == {"proposed"}
        status, fitted = post(
            "/dressform/hints/refit", {"photo": photo, "document": told["document"]}
        )
        assert status == 200
        first = [s["points"][0][:2] for s in told["document"]["strokes"]]
        again = [s["points"][0][:2] for s in fitted["document"]["strokes"]]
        assert np.abs(np.array(first) - again).max() <= 0.05  # the same body
        history = run(drawing(json.dumps(told["document"])))
        assert history["outputs"]["2"]["dressform_hints"][0]["status"] == "drawn"
        assert history["outputs"]["4"]["images"]

    @pytest.mark.parametrize("route", ["photo", "propose", "refit"])
    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            (b"", 400, "not-json"),
            (b"[" * 1_000_000, 400, "not-json"),
            (b"[]", 400, "bad-request"),
            (b"{}", 400, "bad-photo"),
            (b" " * 3_000_000, 413, "body-too-large"),
            ({"photo": {"filename": "../comfyui.log"}}, 400, "photo-outside"),
            ({"photo": {"filename": "/etc/passwd"}}, 400, "photo-outside"),
            ({"photo": {"filename": "x", "subfolder": "../.."}}, 400, "photo-outside"),
            ({"photo": {"filename": "x.png", "type": "models"}}, 400, "bad-photo"),
            ({"photo": {"filename": "nothing.png"}}, 404, "photo-not-found"),
            ({"photo": {"filename": "text.png"}}, 400, "not-an-image"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_bad_requests_are_answered_with_a_sentence(
        self, comfyui, post, route, body, status, code
    ):
        (comfyui.base / "input" / "text.png").write_text("no picture")
        if isinstance(body, dict) and route == "refit":
            body = body | {"document": json.loads(strokes.to_json(document()))}
        got, told = post(f"/dressform/hints/{route}", body)
        assert (got, told["code"]) == (status, code)
        assert told["error"].endswith(".")

    def test_malformed_documents_are_refused(self, post, photo, malformed):
        for text in malformed[::29]:
            try:
                content = json.loads(text)
                strokes.from_json(text)
            except (ValueError, RecursionError):
                body = b'{"photo": %s, "document": %s}' % (
                    json.dumps(photo).encode(),
                    text.encode(errors="replace"),
                )
                status, told = post("/dressform/hints/refit", body)
                assert status == 400, told
                assert told["code"] in ("not-json", "bad-document", "bad-request")
            else:
                assert content


@pytest.mark.usefixtures("quiet")
class TestRuns:
    def test_malformed_strokes_are_refused_before_the_run(self, post, photo, malformed):
        refused = 0
        for text in malformed[::29]:
            try:
                strokes.from_json(text)
            except ValueError:
                if not text.strip():
                    continue  # an untouched canvas
                status, told = post("/prompt", {"prompt": drawing(text)})
                assert status == 400
                (error,) = told["node_errors"]["2"]["errors"]
                assert "重画。" in error["details"]
                refused += 1
        assert refused >= 30

    def test_two_megabytes_are_refused_in_both_languages(self, post, photo):
        status, told = post("/prompt", {"prompt": drawing("{" + " " * 2_000_000)})
        assert status == 400
        (error,) = told["node_errors"]["2"]["errors"]
        assert "at most 2000000 bytes" in error["details"]
        assert "笔画文档最多 2000000 字节" in error["details"]

    def test_what_comes_over_a_link_ends_its_branch_with_a_sentence(self, run, photo):
        text = node("PrimitiveString", value='{"version": 1}')
        prompt = {
            "0": text,
            "1": node("LoadImage", image="shop/a b.jpg"),
            "3": node(
                "DressformRenderHints",
                hints=["0", 0],
                image=["1", 0],
                grow_px=0,
                working_px=0,
                line_px=0.0,
            ),
            "4": node("PreviewImage", images=["3", 0]),
            "5": node("DressformParsePhoto", image=["1", 0], corrections=["0", 0]),
            "6": node("MaskToImage", mask=["5", 1]),
            "7": node("PreviewImage", images=["6", 0]),
        }
        history = run(prompt)
        for ended, waiting in (("3", "4"), ("5", "7")):
            (sentence,) = history["outputs"][ended]["text"]
            assert "strokes must be an object with version" in sentence
            assert waiting not in history["outputs"]

    def test_strokes_of_another_photo_stop_the_branch_and_the_canvas_is_told(self, run, photo):
        history = run(drawing(strokes.to_json(document("00ff"))))
        shown = history["outputs"]["2"]
        assert shown["dressform_hints"][0]["status"] == "stopped"
        assert "Choose refit, keep or clear" in shown["text"][0]
        assert "4" not in history["outputs"]

    def test_kept_strokes_go_on(self, run, photo):
        history = run(drawing(strokes.to_json(document("00ff")), "keep"))
        assert history["outputs"]["2"]["dressform_hints"][0]["status"] == "kept"
        assert history["outputs"]["4"]["images"]
