"""`dressform lint`: one line a photo, errors among them, and the exit status."""

import json

import cv2
import numpy as np
import pytest
from dressform import cli, lint_batch, parse_batch
from dressform.imaging.parsing import Parsing
from dressform.quality.lint import inspection


@pytest.fixture
def folder(tmp_path):
    """A small dark torso with a shirt, and a file that is no picture."""
    picture = np.full((160, 120, 3), 245, np.uint8)
    cv2.rectangle(picture, (35, 45), (85, 120), (150, 60, 30), -1)
    cv2.imwrite(str(tmp_path / "shirt.png"), picture)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    return tmp_path


@pytest.fixture(autouse=True)
def parsed(monkeypatch):
    """Everything that is not white is garment: the parser has tests of its own."""

    def parse(picture):
        return Parsing((picture.min(axis=2) < 240).astype(np.uint8), confidence=0.9)

    monkeypatch.setattr(lint_batch.parse, "parse", parse)


def test_broken_photo_is_a_row_and_the_others_go_on(folder):
    rows = list(lint_batch.run(parse_batch.gather([folder]), jobs=2))
    assert sorted(row.id for row in rows) == ["broken", "shirt"]
    lines = lint_batch.table(rows).splitlines()
    assert lines[0].split() == ["photo", "grade", "score", "remarks"]
    assert "FAILED" in lines[1]
    assert "Save it as JPEG, PNG or WebP." in lines[1]
    assert "Resolution 76 px!" in lines[2]


def test_json_has_a_document_for_each_photo(folder, capsys):
    assert cli.main(["lint", str(folder), "--json", "--jobs", "1"]) == 1
    documents = json.loads(capsys.readouterr().out)
    assert [one["photo"] for one in documents] == ["broken", "shirt"]
    assert "error" in documents[0]
    assert documents[1]["schema"] == inspection.SCHEMA


@pytest.mark.parametrize(("least", "status"), [("a", 1), ("E", 0)])
def test_exit_status_says_whether_the_grade_is_reached(folder, capsys, least, status):
    assert cli.main(["lint", str(folder / "shirt.png"), "--fail-under", least]) == status
    assert ("below grade A" in capsys.readouterr().err) == bool(status)


def test_unknown_grade_is_refused(folder, capsys):
    with pytest.raises(SystemExit):
        cli.main(["lint", str(folder), "--fail-under", "F"])
    assert "invalid choice" in capsys.readouterr().err


def test_photo_that_failed_reaches_no_grade(folder):
    rows = list(lint_batch.run(parse_batch.gather([folder / "broken.jpg"]), jobs=1))
    assert lint_batch.below(rows, "E") == 1
