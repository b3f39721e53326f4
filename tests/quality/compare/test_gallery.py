import numpy as np
import pytest
from dressform.quality.compare import gallery
from PIL import Image


def scene(color, place):
    picture = np.full((96, 72, 3), 240, np.uint8)
    picture[20:80, place : place + 24] = color
    return gallery.thumb(picture)


@pytest.fixture
def references():
    return {"red": [scene((200, 30, 30), 10)], "blue": [scene((30, 30, 200), 40)]}


def save(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path)


def test_pictures_are_found_in_folders_and_by_name(tmp_path):
    save(tmp_path / "a" / "1.png")
    save(tmp_path / "a_2.jpg")
    save(tmp_path / "b[1]-1.webp")
    save(tmp_path / "b[1]" / "2.png")
    found = gallery.find(tmp_path, ["a", "b[1]"], [1, 2], "baseline")
    assert {key: path.name for key, path in found.items()} == {
        ("baseline", "a", 1): "1.png",
        ("baseline", "a", 2): "a_2.jpg",
        ("baseline", "b[1]", 1): "b[1]-1.webp",
        ("baseline", "b[1]", 2): "2.png",
    }


def test_missing_pictures_are_named(tmp_path):
    save(tmp_path / "a" / "1.png")
    with pytest.raises(FileNotFoundError, match=r"the baseline must have .* got none of a seed 2"):
        gallery.find(tmp_path, ["a"], [1, 2], "baseline")


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"candidate, got .*nowhere"):
        gallery.find(tmp_path / "nowhere", ["a"], [1], "candidate")


def test_two_pictures_of_one_seed_are_refused(tmp_path):
    save(tmp_path / "a" / "1.png")
    save(tmp_path / "a_1.png")
    with pytest.raises(ValueError, match="one picture per scene and seed"):
        gallery.find(tmp_path, ["a"], [1], "baseline")


def test_black_picture_is_blank_and_a_dark_one_is_not():
    dark = np.zeros((20, 20, 3), np.uint8)
    assert gallery.is_blank(dark)
    dark[:10] = 30
    assert not gallery.is_blank(dark)


def test_own_picture_with_haze_and_shift_is_no_stranger(references):
    picture = np.full((96, 72, 3), 240, np.uint8)
    picture[22:82, 12:36] = (200, 30, 30)
    hazy = (0.7 * picture + 0.3 * 240).astype(np.uint8)
    assert gallery.stranger(gallery.thumb(hazy), "red", references) is None


def test_picture_of_another_scene_is_named(references):
    assert "more like blue" in gallery.stranger(scene((30, 30, 200), 42), "red", references)


def test_picture_of_no_scene_is_a_stranger(references):
    rows = np.linspace(0, 255, 96)[:, None, None].repeat(72, 1).repeat(3, 2).astype(np.uint8)
    assert gallery.stranger(gallery.thumb(rows), "red", references)


def test_same_person_in_all_scenes_makes_no_stranger(references):
    person = scene((90, 90, 90), 25)
    everywhere = {name: [*thumbs, person] for name, thumbs in references.items()}
    assert gallery.stranger(person, "red", everywhere) is None
