"""`dressform check`: a verdict for each picture, errors among them, and the exit status."""

import json
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest
from dressform import check_command, cli
from dressform.imaging.parsing import Parsing

SCHEMA = json.loads(
    (Path(__file__).parents[1] / "docs" / "quality.schema.json").read_text(encoding="utf-8")
)


@pytest.fixture(autouse=True)
def parsed(monkeypatch):
    """Everything that is not white is garment: the parser has tests of its own."""

    def parse(picture):
        return Parsing((picture.min(axis=2) < 200).astype(np.uint8), "flatlay", confidence=0.95)

    monkeypatch.setattr(check_command.parse, "parse", parse)


@pytest.fixture
def folder(tmp_path):
    """The photo of a woven shirt, a good result of it, a hazy one, and a file that is none."""
    rows, columns = np.mgrid[:240, :200].astype(np.float32)
    cloth = (0.75 + 0.25 * np.sin(columns / 11 + rows / 37)) * (
        1 + 0.3 * np.sin(columns) * np.sin(rows)
    )
    photo = np.full((240, 200, 3), 250, np.uint8)
    inside = np.s_[40:200, 40:160]
    photo[inside] = (cloth[..., None] * (150, 90, 60) + 12).clip(0, 190)[inside].astype(np.uint8)
    (tmp_path / "results").mkdir()
    hazy = (photo * 0.8 + 0.2 * 0.88 * 255).astype(np.uint8)
    for name, picture in (("photo", photo), ("results/good", photo), ("results/hazy", hazy)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
    (tmp_path / "results" / "broken.jpg").write_bytes(b"no picture")
    return tmp_path


def check(folder, *results, **options):
    named = [f"--{name}={value}" for name, value in options.items() if value is not True]
    flags = [f"--{name}" for name, value in options.items() if value is True]
    return cli.main(["check", *(str(folder / r) for r in results), *named, *flags])


def test_a_good_picture_passes_and_a_hazy_one_fails(folder, capsys):
    assert check(folder, "results/good.png", source=folder / "photo.png") == 0
    assert "pass" in capsys.readouterr().out
    assert check(folder, "results/hazy.png", source=folder / "photo.png") == 1
    assert "%: A pale haze lies over the garment" in capsys.readouterr().out


def test_a_broken_picture_is_a_row_and_the_others_go_on(folder, capsys):
    assert check(folder, "results", source=folder / "photo.png") == 1
    told = capsys.readouterr()
    assert [line.split()[0] for line in told.out.splitlines() if line[0] != " "] == [
        "picture",
        "broken",
        "good",
        "hazy",
    ]
    assert "1 of 3 pictures could not be checked" in told.err


def test_json_follows_the_schema(folder, capsys):
    check(folder, "results", source=folder / "photo.png", baseline=folder / "photo.png", json=True)
    documents = json.loads(capsys.readouterr().out)
    assert "error" in documents[0]
    for document in documents[1:]:
        jsonschema.validate(document, SCHEMA)
    assert [one["picture"] for one in documents] == ["broken", "good", "hazy"]
    assert {c["name"] for c in documents[1]["checks"]} >= {"veil", "veil_vs_baseline"}


def test_a_document_that_lies_is_not_of_the_schema(folder, capsys):
    check(folder, "results/good.png", source=folder / "photo.png", json=True)
    [document] = json.loads(capsys.readouterr().out)
    document["checks"][0]["state"] = "unmeasurable"  # with a value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)


def test_out_takes_pictures_and_the_document(folder):
    out = folder / "out"
    check(folder, "results/hazy.png", source=folder / "photo.png", out=out)
    assert sorted(path.name for path in out.iterdir()) == [
        "hazy.annotated.png",
        "hazy.heatmap.png",
        "hazy.json",
    ]
    jsonschema.validate(json.loads((out / "hazy.json").read_text(encoding="utf-8")), SCHEMA)


def test_a_baseline_alone_is_enough(folder, capsys):
    assert check(folder, "results/good.png", baseline=folder / "photo.png") == 0
    assert check(folder, "results/hazy.png", baseline=folder / "photo.png") == 1
    assert "Veil vs earlier" in capsys.readouterr().out


def test_nothing_to_compare_with_is_an_error(folder, capsys):
    assert check(folder, "results/good.png") == 1
    assert "--source or --baseline is required, got neither" in capsys.readouterr().err


def test_a_missing_baseline_is_an_error(folder, capsys):
    options = {"source": folder / "photo.png", "baseline": folder / "no.png"}
    assert check(folder, "results/good.png", **options) == 1
    assert "no.png" in capsys.readouterr().err


def test_an_empty_mask_is_an_error(folder, capsys):
    cv2.imwrite(str(folder / "mask.png"), np.zeros((240, 200), np.uint8))
    options = {"source": folder / "photo.png", "mask": folder / "mask.png"}
    assert check(folder, "results/good.png", **options) == 1
    assert "--mask must select something in white" in capsys.readouterr().err


def test_a_mask_of_other_proportions_is_told_with_both_sizes(folder, capsys):
    cv2.imwrite(str(folder / "mask.png"), np.full((100, 200), 255, np.uint8))
    options = {"source": folder / "photo.png", "mask": folder / "mask.png"}
    assert check(folder, "results/good.png", **options) == 1
    assert "got 100x200 for a result of 240x200" in capsys.readouterr().out


def test_a_mask_of_half_the_size_is_scaled(folder):
    mask = np.zeros((120, 100), np.uint8)
    mask[20:100, 20:80] = 255
    cv2.imwrite(str(folder / "mask.png"), mask)
    options = {"source": folder / "photo.png", "mask": folder / "mask.png"}
    assert check(folder, "results/good.png", **options) == 0


def test_an_unknown_profile_is_told(folder, capsys):
    options = {"source": folder / "photo.png", "profile": "strict"}
    assert check(folder, "results/good.png", **options) == 1
    assert "profile must be one of default" in capsys.readouterr().out


def test_an_own_profile_decides(folder, capsys):
    own = Path(check_command.verdict.__file__).parent / "profiles" / "default.toml"
    text = own.read_text(encoding="utf-8").replace("fail = 12.0", "fail = 90.0")
    (folder / "own.toml").write_text(text, encoding="utf-8")
    options = {"source": folder / "photo.png", "profile": folder / "own.toml"}
    check(folder, "results/hazy.png", **options)
    assert "warn Veil" in capsys.readouterr().out
