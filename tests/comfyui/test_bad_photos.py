"""Files that a shop may hand in, through the real server: a sentence, or a result."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from dressform.comfyui import run
from dressform.imaging import pictures
from PIL import Image

pytestmark = pytest.mark.comfyui

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


PARSE = {
    "1": node("LoadImage", image="photo.png") | {"_meta": {"title": "Photo"}},
    "2": node("DressformParsePhoto", image=["1", 0]),
    "3": node("MaskToImage", mask=["2", 1]),
    "4": node("SaveImage", images=["3", 0], filename_prefix="garment"),
}


@pytest.fixture
def parse(comfyui, tmp_path):
    """Runs Parse Mannequin Photo on a file; returns the garment mask and what the node said."""

    def start(path, check=pictures.require_whole):
        workflow = tmp_path / "workflow.json"
        workflow.write_text(json.dumps(PARSE), encoding="utf-8")
        out = tmp_path / "out"
        done = run.run(
            workflow,
            comfyui.url,
            out,
            settings=[f"Photo.image={path}"],
            check=check,
            stream=io.StringIO(),
        )
        garment = pictures.open_picture(out / done.outputs["4"]["files"][0])[..., 0] > 127
        return garment, " ".join(done.outputs["2"]["values"].get("text", []))

    return start


@pytest.fixture(scope="module")
def photo():
    with Image.open(SAMPLES / "dressform" / "photo.jpg") as picture:
        return picture.convert("RGB").resize((384, 512))


@pytest.fixture(scope="module")
def expected():
    with Image.open(SAMPLES / "dressform" / "labels.png") as labels:
        return np.asarray(labels.resize((384, 512), Image.Resampling.NEAREST)) == 1


def with_alpha(photo):
    photo = photo.convert("RGBA")
    photo.putalpha(255)
    return photo


def deep(photo):
    return Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("ünï code 中.png", lambda photo: photo),
        ("cmyk.jpg", lambda photo: photo.convert("CMYK")),
        ("gray.jpg", lambda photo: photo.convert("L")),
        ("palette.png", lambda photo: photo.quantize(64)),
        ("alpha.png", with_alpha),
        ("deep.png", deep),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_form_of_a_photo_is_parsed(parse, photo, expected, tmp_path, name, change):
    change(photo).save(tmp_path / name)
    garment, _ = parse(tmp_path / name)
    assert garment.shape == expected.shape
    assert (garment & expected).sum() / (garment | expected).sum() > 0.8


def test_turned_photo_is_upright(parse, photo, expected, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.rotate(90, expand=True).save(tmp_path / "turned.jpg", exif=exif)
    garment, _ = parse(tmp_path / "turned.jpg")
    assert garment.shape == expected.shape
    assert (garment & expected).sum() / (garment | expected).sum() > 0.8


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "got an empty file"),
        (b"<html>no picture</html>", "got something else"),
        ((SAMPLES / "person.jpg").read_bytes()[:20_000], "got a damaged one"),
    ],
    ids=["empty", "text", "truncated"],
)
def test_file_that_is_no_picture_is_told_before_anything_is_sent(parse, tmp_path, data, sentence):
    path = tmp_path / "bad.jpg"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=sentence):
        parse(path)
    assert not (tmp_path / "out").exists()


def test_what_only_the_server_refuses_names_the_node(parse, tmp_path):
    path = tmp_path / "bad.jpg"
    path.write_bytes(b"<html>no picture</html>")
    with pytest.raises(RuntimeError, match=r"^Photo \(node 1\): .+ read the server's log\.$"):
        parse(path, check=lambda picture: None)


@pytest.mark.parametrize(
    ("size", "sentence"), [((1, 1), "very small"), ((96, 128), "No garment was found")]
)
def test_photo_without_a_garment_is_doubted_in_words(parse, tmp_path, size, sentence):
    Image.new("RGB", size, (180, 180, 180)).save(tmp_path / "wall.png")
    garment, said = parse(tmp_path / "wall.png")
    assert not garment.any()
    assert sentence in said
