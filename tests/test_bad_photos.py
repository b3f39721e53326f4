"""One batch with every kind of file that a shop may hand in: the good ones are written."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from dressform import cli, parse_batch
from dressform.imaging import labels, pictures
from PIL import Image

SAMPLES = Path(__file__).resolve().parents[1] / "samples"


def mannequin():
    """A T-shirt on a headless mannequin, 512x384."""
    photo = pictures.open_picture(SAMPLES / "headless" / "photo.jpg")
    return cv2.resize(photo, (384, 512), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Good and bad files by name."""
    folder = tmp_path_factory.mktemp("bad photos 照片")
    photo = Image.fromarray(mannequin())
    photo.save(folder / "good.png")
    photo.save(folder / "ünï code 中.png")
    photo.convert("CMYK").save(folder / "cmyk.jpg")
    photo.convert("L").save(folder / "gray.jpg")
    photo.quantize(32).save(folder / "palette.png")
    alpha = photo.convert("RGBA")
    alpha.putalpha(255)
    alpha.save(folder / "alpha.png")
    Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257).save(
        folder / "deep.png"
    )
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.rotate(90, expand=True).save(folder / "turned.jpg", exif=exif)
    Image.fromarray(np.hstack([mannequin(), mannequin()])).save(folder / "two.png")
    Image.new("RGB", (200, 300), (128, 128, 128)).save(folder / "wall.png")
    Image.new("RGB", (1, 1), (9, 9, 9)).save(folder / "dot.png")
    shutil.copy(SAMPLES / "legs" / "model.jpg", folder / "person.jpg")
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("<html>not a picture</html>", encoding="utf-8")
    whole = (SAMPLES / "person.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    return folder


BAD = {
    "empty": "got an empty file",
    "text": "got something else",
    "truncated": "got a damaged one",
}


@pytest.fixture(scope="module")
def batch(files, tmp_path_factory):
    """Status, rows by id, and the output folder of one run over all files."""
    out = tmp_path_factory.mktemp("out")
    rows = {row.id: row for row in parse_batch.run(parse_batch.gather([files]), out, jobs=2)}
    return rows, out


def told(out, name):
    return json.loads((out / name / "parsing.json").read_text(encoding="utf-8"))


def test_every_file_gets_a_row(batch, files):
    assert sorted(batch[0]) == sorted(path.stem for path in files.iterdir())
    assert {name for name, row in batch[0].items() if row.error} == set(BAD)


@pytest.mark.parametrize(("name", "sentence"), BAD.items())
def test_bad_file_gets_its_sentence_and_no_files(batch, name, sentence):
    rows, out = batch
    assert sentence in rows[name].error
    assert rows[name].error.endswith(".")
    assert not (out / name).exists()


@pytest.mark.parametrize(
    "name", ["good", "ünï code 中", "cmyk", "gray", "palette", "alpha", "deep", "turned"]
)
def test_every_form_of_the_photo_gives_the_same_garment(batch, name):
    garment = np.asarray(Image.open(batch[1] / name / "garment.png")) > 0
    truth = cv2.imread(str(SAMPLES / "headless" / "labels.png"), cv2.IMREAD_UNCHANGED)
    expected = cv2.resize(truth, (384, 512), interpolation=cv2.INTER_NEAREST) == labels.GARMENT
    assert garment.shape == expected.shape
    assert (garment & expected).sum() / (garment | expected).sum() > 0.9


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("wall", "No garment was found"),
        ("dot", "very small"),
        ("two", "Several figures stand side by side"),
        ("person", "a real person rather than a mannequin"),
    ],
)
def test_doubtful_photo_is_written_with_a_warning(batch, name, sentence):
    rows, out = batch
    assert sentence in " ".join(told(out, name)["warnings"])
    assert sentence in rows[name].warning
    assert (out / name / "garment.png").is_file()


def test_keypoints_of_an_empty_wall_are_unknown(batch):
    points = json.loads((batch[1] / "wall" / "keypoints.json").read_text(encoding="utf-8"))
    assert {point["confidence"] for point in points["keypoints"]} == {0}


def test_no_half_files_are_left(batch):
    assert list(batch[1].rglob("*partial*")) == []


def test_disk_that_is_full_is_named_and_the_rest_goes_on(files, tmp_path, monkeypatch, capsys):
    save = Image.Image.save

    def full(self, path, *rest, **options):
        save(self, path, *rest, **options)
        if "good" in str(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Image.Image, "save", full)
    chosen = [str(files / name) for name in ("good.png", "alpha.png")]
    assert cli.main(["parse", *chosen, "--out", str(tmp_path)]) == 1
    shown = capsys.readouterr().out
    assert "No space left on device" in shown
    assert "Free some space on the disk" in shown
    assert list((tmp_path / "good").iterdir()) == []
    assert (tmp_path / "alpha" / "parsing.json").is_file()


def test_mistake_of_the_program_does_not_end_the_batch(files, tmp_path, monkeypatch, capsys):
    def broken(image):
        raise cv2.error("unknown")

    monkeypatch.setattr(parse_batch.parse, "parse", broken)
    assert cli.main(["parse", str(files / "good.png"), "--out", str(tmp_path)]) == 1
    assert "error: unknown. Report it, with the file." in capsys.readouterr().out


def test_large_photos_take_turns(files, tmp_path, monkeypatch):
    monkeypatch.setattr(parse_batch, "LARGE_PIXELS", 1000)
    at_work, most, photo = set(), [], mannequin()

    def slow(path):
        at_work.add(threading.get_ident())
        most.append(len(at_work))
        time.sleep(0.05)
        at_work.discard(threading.get_ident())
        return photo

    monkeypatch.setattr(parse_batch.pictures, "open_picture", slow)
    monkeypatch.setattr(parse_batch, "write", lambda parsing, folder: None)
    names = ("good.png", "alpha.png", "gray.jpg", "palette.png")
    photos = parse_batch.gather([files / name for name in names])
    assert [row.error for row in parse_batch.run(photos, tmp_path, jobs=4)] == [""] * 4
    assert most == [1] * 4


def test_header_tells_the_pixels_and_no_picture_has_none(files):
    assert pictures.count_pixels(files / "good.png") == 512 * 384
    assert pictures.count_pixels(files / "text.jpg") == 0
    assert pictures.count_pixels(files / "gone.jpg") == 0


MEMORY_LIMIT_GB = 3.5  # seen: 2.7, most of it while masks and photo of the full size are compared
MEASURED = """
import resource, sys
from dressform import cli
status = cli.main(sys.argv[1:])
scale = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e9, file=sys.stderr)
sys.exit(status)
"""


@pytest.mark.skipif(os.name == "nt", reason="asks for getrusage. Run it on Linux or macOS.")
def test_twelve_thousand_pixels_square_is_parsed_in_bounded_memory(tmp_path):
    large = cv2.resize(mannequin(), (12000, 12000))
    Image.fromarray(large).save(tmp_path / "large.jpg", quality=70)
    del large
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "parse", "large.jpg", "--out", "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stderr.split()[-1]) < MEMORY_LIMIT_GB
    garment = pictures.open_picture(tmp_path / "out" / "large" / "garment.png")
    assert garment.shape == (12000, 12000, 3)
    truth = cv2.imread(str(SAMPLES / "headless" / "labels.png"), cv2.IMREAD_UNCHANGED)
    share = (garment[::100, ::100, 0] == 255).mean()
    assert share == pytest.approx((truth == labels.GARMENT).mean(), rel=0.1)
