"""The inside from a second photo."""

import cv2
import numpy as np
import pytest
from dressform.imaging import ghost, labels, provenance
from dressform.imaging.hollow import edge
from dressform.imaging.parsing import Parsing

CLOTH, WALL, SKIN, MARK = (60, 120, 90), (235, 235, 235), (230, 190, 170), (240, 240, 60)


def _front():
    """A tee on a form, 200 x 160; collar points at x 63 and 97, y 40."""
    label_map = np.zeros((200, 160), np.uint8)
    label_map[8:60, 66:95] = labels.MANNEQUIN
    shape = [(60, 40), (100, 40), (140, 60), (128, 90), (116, 84), (116, 160), (44, 160), (44, 84)]
    cv2.fillPoly(label_map, [np.array([*shape, (32, 90), (20, 60)])], labels.GARMENT)
    cv2.ellipse(label_map, (80, 40), (17, 24), 0, 0, 180, labels.MANNEQUIN, -1)
    image = np.array([WALL, CLOTH, SKIN], np.uint8)[label_map]
    return image, Parsing(label_map)


def _inside(scale=1.5, gain=1.4, turn=0.0):
    """The inside of its back in other light, with a yellow mark below the neckline."""
    mask = np.zeros((200, 160), np.uint8)
    shape = [(60, 40), (63, 38), (97, 38), (100, 40), (140, 60), (128, 90), (116, 84), (116, 160)]
    cv2.fillPoly(mask, [np.array([*shape, (44, 160), (44, 84), (32, 90), (20, 60)])], 1)
    cv2.ellipse(mask, (80, 38), (17, 6), 0, 0, 180, 0, -1)
    image = np.where(mask[..., None] > 0, np.uint8(CLOTH), np.uint8(WALL))
    image[48:54, 76:85] = MARK
    image = np.clip(image * gain, 0, 255).astype(np.uint8)
    size = (round(160 * scale), round(200 * scale))
    matrix = cv2.getRotationMatrix2D((80, 100), turn, scale)
    matrix[:, 2] += (size[0] / 2 - 80, size[1] / 2 - 100)
    placed = cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    where = cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_NEAREST)
    return placed, Parsing(where)


def _yellow(image):
    levels = image.astype(int)
    return np.minimum(levels[..., 0], levels[..., 1]) - levels[..., 2] > 60


@pytest.mark.parametrize(("scale", "turn"), [(1.0, 0), (2.0, 0), (0.8, 0), (1.5, 6), (1.5, -6)])
def test_the_mark_lands_where_it_is_in_the_garment(scale, turn):
    inside, inside_parsing = _inside(scale, turn=turn)
    image, parsing = _front()
    result = ghost.complete(image, parsing, inside=inside, inside_parsing=inside_parsing)
    assert result.warnings == ()
    rows, columns = np.nonzero(_yellow(result.image))
    assert len(rows) > 20
    assert abs(columns.mean() - 80) < 2
    assert abs(rows.mean() - 50.5) < 3
    assert (result.sources[_yellow(result.image)] == provenance.SECOND_PHOTO).all()


def test_exposure_follows_the_first_photo():
    image, parsing = _front()
    bright, dark = (
        ghost.complete(image, parsing, inside=inside, inside_parsing=inside_parsing)
        for inside, inside_parsing in (_inside(gain=1.6), _inside(gain=0.7))
    )
    inside = (slice(56, 60), slice(74, 87))
    assert np.abs(bright.image[inside].astype(int) - dark.image[inside]).mean() < 8
    assert (bright.image[inside].mean((0, 1)) < 0.95 * np.array(CLOTH)).all()


def test_the_back_edge_is_the_second_photos_own():
    image, parsing = _front()
    inside, inside_parsing = _inside()
    result = ghost.complete(image, parsing, inside=inside, inside_parsing=inside_parsing)
    top = int((result.alpha[:, 80] > 0.5).argmax())
    assert abs(top - 44) <= 2


def test_cloth_that_a_parsing_lost_above_the_label_is_mended():
    image, parsing = _front()
    inside, inside_parsing = _inside()
    torn = inside_parsing.label_map.copy()
    torn[:72, 112:128] = 0  # down to the mark
    assert torn.sum() < inside_parsing.label_map.sum() - 50
    whole, mended = (
        ghost.complete(image, parsing, inside=inside, inside_parsing=Parsing(label_map))
        for label_map in (inside_parsing.label_map, torn)
    )
    assert mended.warnings == ()
    assert np.abs(mended.alpha - whole.alpha).max() < 0.5
    assert (mended.sources[47:57, 75:86] == provenance.SECOND_PHOTO).all()


def test_what_the_second_photos_frame_cuts_off_is_made_up():
    image, parsing = _front()
    inside, inside_parsing = _inside(scale=1.0)
    cut = slice(0, 54)
    result = ghost.complete(
        image, parsing, inside=inside[cut], inside_parsing=Parsing(inside_parsing.label_map[cut])
    )
    assert (result.sources[47:51, 78:83] == provenance.SECOND_PHOTO).all()
    assert (result.sources[57:61, 78:83] == provenance.INVENTED).all()


def test_photographed_pixels_stay_bit_equal():
    image, parsing = _front()
    inside, inside_parsing = _inside()
    result = ghost.complete(image, parsing, inside=inside, inside_parsing=inside_parsing)
    photographed = (result.sources == provenance.PHOTO) & (result.alpha == 1)
    assert (result.image[photographed] == image[photographed]).all()
    differs = (result.image != image).any(-1) & (result.alpha == 1)
    assert (result.sources[differs] >= provenance.SECOND_PHOTO).all()


def _blank(size=(90, 70)):
    return np.full((*size, 3), 200, np.uint8), Parsing(np.zeros(size, np.uint8))


def _block():
    label_map = np.zeros((90, 70), np.uint8)
    label_map[20:80, 10:60] = labels.GARMENT
    return np.full((90, 70, 3), 90, np.uint8), Parsing(label_map)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (_blank(), "No garment was found in the inside photo."),
        (_blank((1, 1)), "No garment was found in the inside photo."),
        (_block(), "No neckline was found in the inside photo."),
        (_front(), "The inside photo does not show the inside of the back."),
    ],
    ids=["blank", "one pixel", "no neckline", "a front"],
)
def test_a_photo_that_does_not_fit_is_explained_and_the_inside_made_up(second, words):
    image, parsing = _front()
    result = ghost.complete(image, parsing, inside=second[0], inside_parsing=second[1])
    assert len(result.warnings) == 1
    assert result.warnings[0].startswith(words)
    assert "made up instead" in result.warnings[0]
    alone = ghost.complete(image, parsing)
    assert (result.image == alone.image).all()
    assert (result.sources == alone.sources).all()


def test_another_colour_is_taken_for_a_lining_and_said():
    image, parsing = _front()
    inside, inside_parsing = _inside()
    purple = np.ascontiguousarray(inside[..., [1, 0, 2]])
    result = ghost.complete(image, parsing, inside=purple, inside_parsing=inside_parsing)
    assert (result.sources == provenance.SECOND_PHOTO).any()
    assert "another colour than the garment" in result.warnings[0]
    red, green, _ = result.image[57:60, 76:84].mean((0, 1))
    assert red > 1.5 * green


def test_from_behind_a_second_photo_has_no_place():
    image, parsing = _front()
    inside, inside_parsing = _inside()
    result = ghost.complete(
        image, parsing._replace(view="back"), inside=inside, inside_parsing=inside_parsing
    )
    assert result.warnings == (ghost.NO_NECK,)


class TestNeckline:
    def test_it_is_found_between_the_collar_points(self):
        _, parsing = _inside(scale=1.0)
        found = edge.neckline(parsing.garment)
        assert np.abs(np.array(found.left) - (63, 38)).max() <= 2
        assert np.abs(np.array(found.right) - (97, 38)).max() <= 2
        assert abs(found.sag_px - 6) <= 1

    def test_shoulders_without_a_valley_have_none(self):
        mask = np.zeros((60, 80), np.uint8)
        cv2.fillPoly(mask, [np.array([(40, 10), (75, 30), (75, 55), (5, 55), (5, 30)])], 1)
        assert edge.neckline(mask > 0) is None

    @pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1)], ids=str)
    def test_a_sliver_has_none(self, size):
        assert edge.neckline(np.ones(size, bool)) is None
        assert edge.neckline(np.zeros(size, bool)) is None
