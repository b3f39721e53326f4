"""Which photos a batch takes, and under which names."""

import pytest
from dressform import parse_batch
from dressform.parse_batch import Row


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def ids(*arguments):
    return [photo.id for photo in parse_batch.gather(arguments)]


def test_folder_of_scenes_gives_a_photo_per_scene(tmp_path):
    touch(tmp_path, "b/photo.jpg", "a/photo.jpg", "a/labels.png", "notes.txt", "sheet.png")
    assert ids(tmp_path) == ["a", "b"]


def test_folder_of_pictures_gives_each_sorted_and_skips_the_rest(tmp_path):
    touch(tmp_path, "2.PNG", "1.jpg", "readme.md", ".hidden.jpg", "sub/3.jpg")
    assert ids(tmp_path) == ["1", "2"]


def test_photo_of_a_scene_is_called_after_its_folder(tmp_path):
    touch(tmp_path, "shop/photo.jpg")
    assert ids(tmp_path / "shop" / "photo.jpg") == ["shop"]


def test_same_names_get_folders_of_their_own(tmp_path):
    touch(tmp_path, "a.png", "a.jpg", "A.webp", "a-2.png", "other/a.png")
    found = ids(tmp_path, tmp_path / "other" / "a.png")
    assert len(found) == 5
    assert len({name.casefold() for name in found}) == 5


def test_photo_named_twice_is_parsed_once(tmp_path):
    touch(tmp_path, "a.png")
    assert ids(tmp_path / "a.png", tmp_path) == ["a"]


def test_folder_without_pictures_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="Name a folder of photos"):
        ids(tmp_path)


def test_table_lists_photos_by_id_with_their_sentences():
    rows = [
        Row("b", "full", 0.5, 1.25, "The wall is busy."),
        Row("a", "", 0.0, 0.1, "", error="a picture is required."),
    ]
    assert parse_batch.table(rows).splitlines() == [
        "photo  kind       confidence  seconds  warning",
        "a      FAILED                     0.1  a picture is required.",
        "b      full             0.50      1.2  The wall is busy.",
    ]
