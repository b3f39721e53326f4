"""`dressform compare` from the command line, on drawn pictures and with a drawn parsing."""

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest
from dressform import cli, compare_command
from dressform.imaging import labels, parse
from dressform.imaging.parsing import Parsing
from dressform.quality.compare import scoring
from PIL import Image

DOCS = Path(__file__).parents[1] / "docs"
SCENES = {"dots": (40, 60, 120), "lines": (120, 40, 40)}
HEIGHT, WIDTH = 192, 144


def photo(name):
    """A garment with a pattern of its own on a pale backdrop, and where it is."""
    place = list(SCENES).index(name)
    picture = np.full((HEIGHT, WIDTH, 3), 235, np.uint8)
    rows, columns = np.indices((HEIGHT, WIDTH))
    inside = (abs(columns - 52 - 20 * place) < 34) & (abs(rows - 90) < 70)
    pattern = ((rows // (4 + place) + columns // 5) % 2)[..., None] * 60
    picture[inside] = (np.array(SCENES[name]) + pattern)[inside]
    return picture, inside


def parsed(picture):
    distance = [np.abs(picture.astype(int) - photo(name)[0]).mean() for name in SCENES]
    _, inside = photo(list(SCENES)[int(np.argmin(distance))])
    label_map = np.where(inside, labels.GARMENT, labels.BACKGROUND).astype(np.uint8)
    return Parsing(label_map, kind="headless", confidence=0.95)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A folder with a suite of two scenes, and pictures of two versions."""
    monkeypatch.setattr(parse, "parse", parsed)
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    entries = []
    for name in SCENES:
        picture, _ = photo(name)
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
        entries.append(f'[[scenes]]\nid = "{name}"\nphoto = "{name}.png"\n')
        for arm in "ab":
            (tmp_path / arm / name).mkdir(parents=True)
            for seed in (1, 2):
                noisy = picture + rng.normal(0, 1.5, picture.shape)
                made = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
                made.save(tmp_path / arm / name / f"{seed}.png")
    head = 'schema = "dressform.suite/1"\nseeds = [1, 2]\n[gates]\nveil = 2.0\n'
    (tmp_path / "suite.toml").write_text(head + '[[targets]]\nmetric = "edge"\n' + "".join(entries))
    return tmp_path


@pytest.fixture
def go(capsys):
    def run(*more):
        sides = ("--baseline", "a", "--candidate", "b")
        arguments = ["compare", "--suite", "suite.toml", *sides, "--out", "rep", "--jobs", "1"]
        status = cli.main([*arguments, *more])
        told = capsys.readouterr()
        return status, told.out, told.err

    return run


def change(path, how):
    with Image.open(path) as picture:
        array = np.array(picture)
    Image.fromarray(how(array)).save(path)


def haze(picture):
    return (0.7 * picture + 0.3 * 235).astype(np.uint8)


class Addresses(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found += [value for key, value in attrs if key in ("src", "href", "xlink:href")]


def test_few_scenes_ask_for_more_and_everything_is_written(shop, go):
    status, out, _ = go()
    assert status == 4
    assert out.splitlines()[0].startswith("suite.toml is frozen now")
    assert "NEED 57 MORE: Do not switch yet: measure about 57 more scenes." in out
    told = json.loads((shop / "rep" / "compare.json").read_text(encoding="utf-8"))
    schema = json.loads((DOCS / "compare.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(told, schema)
    lock = json.loads((shop / "suite.lock.json").read_text(encoding="utf-8"))
    assert told["suite"]["sha256"] == lock["sha256"]
    jsonschema.validate(lock, json.loads((DOCS / "suite_lock.schema.json").read_text("utf-8")))
    cases = ElementTree.parse(shop / "rep" / "junit.xml").getroot()  # noqa: S314 (our own)
    assert int(cases.get("tests")) == len(told["gates"]) + 3
    assert int(cases.get("failures")) >= 2


def test_second_run_measures_nothing_and_says_the_same(shop, go, monkeypatch):
    go()
    first = {p.name: p.read_bytes() for p in (shop / "rep").iterdir() if p.is_file()}
    monkeypatch.setattr(scoring, "measure", lambda *_: pytest.fail("measured again"))
    go()
    assert {p.name: p.read_bytes() for p in (shop / "rep").iterdir() if p.is_file()} == first
    assert set(first) == {"report.html", "compare.json", "junit.xml", "scores.json"}


def test_interrupted_run_goes_on_where_it_was(shop, go, monkeypatch):
    measure, made = scoring.measure, []

    def stop_after_four(*arguments):
        if len(made) == 4:
            raise KeyboardInterrupt
        made.append(1)
        return measure(*arguments)

    monkeypatch.setattr(scoring, "measure", stop_after_four)
    assert go()[0] == 130
    monkeypatch.setattr(scoring, "measure", lambda *a: made.append(1) or measure(*a))
    assert go()[0] == 4
    assert len(made) == 2 * 6  # two arms of two seeds, and the baseline against itself


def test_report_asks_no_server(shop, go):
    for seed in (1, 2):
        change(shop / "b" / "dots" / f"{seed}.png", haze)
    go()
    page = (shop / "rep" / "report.html").read_text(encoding="utf-8")
    parser = Addresses()
    parser.feed(page)
    assert parser.found
    assert all(value.startswith(("data:image/jpeg;base64,", "#")) for value in parser.found)
    assert "@import" not in page
    assert "url(http" not in page


def test_haze_is_found_in_the_scene_that_has_it(shop, go):
    for seed in (1, 2):
        change(shop / "b" / "dots" / f"{seed}.png", haze)
    go()
    told = json.loads((shop / "rep" / "compare.json").read_text(encoding="utf-8"))
    assert told["worst"][0]["scene"] == "dots"
    assert told["worst"][0]["losses"]["veil"] > 20
    assert {case["scene"] for case in told["new_fails"]["cases"]} == {"dots"}


def test_all_black_pictures_hold_a_change(shop, go):
    for seed in (1, 2):
        change(shop / "b" / "lines" / f"{seed}.png", np.zeros_like)
    status, out, _ = go()
    assert status == 5
    assert "blank at lines" in out


def test_different_sizes_are_refused_with_both_numbers(shop, go):
    change(shop / "b" / "dots" / "2.png", lambda picture: picture[:180])
    status, _, error = go()
    assert status == 1
    assert "all pictures of dots" in error
    assert "180x144" in error
    assert "192x144" in error


def test_missing_baseline_picture_is_named(shop, go):
    (shop / "a" / "lines" / "2.png").unlink()
    status, _, error = go()
    assert status == 1
    assert "the baseline must have a picture of every scene and seed" in error
    assert "lines seed 2" in error


def test_pictures_in_each_others_place_are_refused(shop, go):
    shutil.move(shop / "b" / "dots", shop / "b" / "kept")
    shutil.move(shop / "b" / "lines", shop / "b" / "dots")
    shutil.move(shop / "b" / "kept", shop / "b" / "lines")
    status, _, error = go()
    assert status == 1
    assert "every picture must show its scene" in error
    assert "is more like lines" in error


def test_strangers_count_as_failed_on_request(shop, go):
    for seed in (1, 2):
        shutil.copy(shop / "b" / "lines" / f"{seed}.png", shop / "b" / "dots" / f"{seed}.png")
    status, out, _ = go("--keep-strangers")
    assert status == 5
    assert "scene at dots" in out


def test_changed_suite_is_an_error_that_says_what(shop, go):
    go()
    text = (shop / "suite.toml").read_text()
    (shop / "suite.toml").write_text(text.replace("veil = 2.0", "veil = 9.0"))
    status, _, error = go()
    assert status == 1
    assert "settings gates veil was 2.0, is 9.0" in error


def test_one_scene_only_is_too_few(shop, go):
    text = (shop / "suite.toml").read_text()
    (shop / "suite.toml").write_text(text[: text.index('[[scenes]]\nid = "lines"')])
    status, out, _ = go()
    assert status == 4
    assert "measure about 58 more scenes" in out


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda inside: np.zeros_like(inside), "must select something, got an empty mask"),
        (lambda inside: inside[:100], "must be 192x144 like the picture"),
        (lambda inside: ~inside, "It may be the mask of another photo"),
    ],
    ids=["empty", "size", "elsewhere"],
)
def test_wrong_masks_are_refused(shop, go, draw, message):
    mask = draw(photo("dots")[1])
    Image.fromarray(mask.astype(np.uint8) * 255).save(shop / "mask.png")
    text = (shop / "suite.toml").read_text()
    text = text.replace('photo = "dots.png"', 'photo = "dots.png"\ngarment_mask = "mask.png"')
    (shop / "suite.toml").write_text(text)
    status, _, error = go()
    assert status == 1
    assert message in error


def test_freezing_alone_runs_nothing(shop, go):
    status, out, _ = go("--freeze")
    assert status == 0
    assert (shop / "suite.lock.json").is_file()
    assert not (shop / "rep").exists()
    assert len(out.split()[-1]) == 64


def test_sides_are_required(shop, capsys):
    assert cli.main(["compare", "--suite", "suite.toml"]) == 1
    assert "--baseline and --candidate are required" in capsys.readouterr().err


def test_folder_and_workflow_do_not_mix(shop, capsys):
    sides = ("--baseline", "a", "--candidate", "b.json")
    assert cli.main(["compare", "--suite", "suite.toml", *sides]) == 1
    assert "both sides must be folders or both workflows" in capsys.readouterr().err


def test_noise_seeds_are_the_baseline_again(shop, go):
    text = (shop / "suite.toml").read_text()
    text = text.replace("seeds = [1, 2]", "seeds = [1, 2]\nnoise_seeds = [3, 4]")
    (shop / "suite.toml").write_text(text)
    for name in SCENES:
        for seed in (1, 2):
            shutil.copy(shop / "a" / name / f"{seed}.png", shop / "a" / name / f"{seed + 2}.png")
    assert go()[0] == 4
    told = json.loads((shop / "rep" / "compare.json").read_text(encoding="utf-8"))
    assert told["noise"]["seeds"] == 2
    assert f"{compare_command.AGAIN}/dots/3" in told["pictures"]
