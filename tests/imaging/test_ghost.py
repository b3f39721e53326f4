import cv2
import numpy as np
import pytest
from dressform.imaging import ghost, labels, studio
from dressform.imaging.parsing import Parsing

WALL, SKIN, CLOTH, POLE = (180, 190, 200), (230, 190, 170), (40, 90, 60), (200, 60, 200)


def _scene():
    """A green tee with a round neckline on a form with neck, legs and pole."""
    label_map = np.zeros((240, 180), np.uint8)
    cv2.rectangle(label_map, (78, 20), (102, 60), labels.MANNEQUIN, -1)
    cv2.rectangle(label_map, (70, 160), (110, 220), labels.MANNEQUIN, -1)
    cv2.rectangle(label_map, (87, 220), (93, 239), labels.SUPPORT, -1)
    cv2.rectangle(label_map, (45, 50), (135, 170), labels.GARMENT, -1)
    cv2.ellipse(label_map, (90, 50), (18, 30), 0, 0, 360, 0, -1)
    neck = np.zeros_like(label_map)
    cv2.ellipse(neck, (90, 50), (18, 30), 0, 0, 360, 1, -1)
    label_map[(neck > 0) & (label_map == 0)] = labels.MANNEQUIN
    colors = np.array([WALL, CLOTH, SKIN, POLE, (20, 40, 30), WALL], np.uint8)
    return colors[label_map], Parsing(label_map)


def _like(image, color, tolerance=6):
    return (np.abs(image.astype(int) - color) <= tolerance).all(-1)


@pytest.mark.parametrize("background", studio.BACKGROUNDS)
def test_no_mannequin_and_no_stand_remain(background):
    image, parsing = _scene()
    result = ghost.remove(image, parsing, background=background).image
    assert _like(image, SKIN).sum() > 2000
    assert not _like(result, SKIN, 20).any()
    assert not _like(result, POLE, 20).any()


@pytest.mark.parametrize(("background", "color"), [("white", 255), ("grey", 242)])
def test_a_studio_background_is_flat(background, color):
    image, parsing = _scene()
    result = ghost.remove(image, parsing, background=background)
    assert (result.image[result.alpha == 0] == color).all()


def test_the_photos_own_backdrop_is_filled_in():
    image, parsing = _scene()
    result = ghost.remove(image, parsing, background="keep").image
    assert _like(result[:40], WALL).all()
    assert _like(result[180:], WALL).all()


def test_the_garment_is_kept():
    image, parsing = _scene()
    result = ghost.remove(image, parsing)
    assert (result.image[100:160, 55:125] == image[100:160, 55:125]).all()
    assert (result.alpha[100:160, 55:125] == 1).all()


def test_the_neckline_shows_a_dark_inside_that_may_be_repainted():
    image, parsing = _scene()
    result = ghost.remove(image, parsing)
    assert result.repaint[70, 90]
    assert result.image[70, 90].max() < 0.7 * max(CLOTH)
    assert result.alpha[70, 90] == 1


def test_only_openings_are_repainted():
    image, parsing = _scene()
    repaint = ghost.remove(image, parsing).repaint
    assert not repaint[100:].any()
    assert not repaint[:40].any()


def test_from_behind_the_neckline_stays_open():
    image, parsing = _scene()
    result = ghost.remove(image, parsing._replace(view="back"))
    assert result.alpha[65, 90] == 0
    assert not result.repaint.any()


def test_a_visible_inside_is_kept_as_it_is():
    image, parsing = _scene()
    label_map = parsing.label_map.copy()
    label_map[60:80, 80:100] = labels.INTERIOR
    image = image.copy()
    image[60:80, 80:100] = (70, 30, 20)
    result = ghost.remove(image, Parsing(label_map))
    assert _like(result.image[66:74, 84:96], (70, 30, 20)).all()


def test_an_arm_in_front_is_covered_with_cloth():
    image, parsing = _scene()
    label_map, image = parsing.label_map.copy(), image.copy()
    label_map[120:130, 70:110] = labels.MANNEQUIN
    image[120:130, 70:110] = SKIN
    result = ghost.remove(image, Parsing(label_map))
    assert _like(result.image[122:128, 72:108], CLOTH, 12).all()
    assert result.repaint[125, 90]


def test_no_argument_is_changed():
    image, parsing = _scene()
    before, labels_before = image.copy(), parsing.label_map.copy()
    ghost.remove(image, parsing, background="keep")
    assert (image == before).all()
    assert (parsing.label_map == labels_before).all()


def test_no_garment_is_explained():
    image, parsing = _scene()
    with pytest.raises(ValueError, match=r"parsing must contain a garment, got none. Choose"):
        ghost.remove(image, Parsing(np.zeros_like(parsing.label_map)))


def test_an_unknown_background_is_explained():
    image, parsing = _scene()
    with pytest.raises(ValueError, match="one of white, grey, keep, got 'beach'"):
        ghost.remove(image, parsing, background="beach")


def test_another_size_is_explained():
    image, parsing = _scene()
    with pytest.raises(ValueError, match="parsing must be 10x180 like image, got 240x180"):
        ghost.remove(image[:10], parsing)


class TestCrumbs:
    """Small pieces that the parsing calls garment, far from the garment."""

    def pieces(self, *boxes):
        mask = np.zeros((200, 150), bool)
        for top, bottom, left, right in boxes:
            mask[top:bottom, left:right] = True
        return mask

    def test_a_piece_of_the_stand_goes(self):
        garment, foot = (20, 120, 40, 110), (180, 190, 50, 100)
        kept = ghost.without_crumbs(self.pieces(garment, foot))
        assert (kept == self.pieces(garment)).all()

    def test_two_garments_stay(self):
        both = self.pieces((10, 90, 40, 110), (110, 160, 50, 90))
        assert (ghost.without_crumbs(both) == both).all()

    def test_a_cuff_behind_an_arm_stays(self):
        both = self.pieces((10, 90, 40, 110), (94, 104, 100, 112))
        assert (ghost.without_crumbs(both) == both).all()

    def test_a_speck_beside_the_garment_goes(self):
        garment, speck = (10, 90, 40, 110), (92, 95, 100, 103)
        kept = ghost.without_crumbs(self.pieces(garment, speck))
        assert (kept == self.pieces(garment)).all()

    def test_nothing_stays_nothing(self):
        assert not ghost.without_crumbs(self.pieces()).any()
