"""The ghost mannequin as a whole: what is filled, and what the map says about it."""

import cv2
import numpy as np
import pytest
from dressform.imaging import ghost, labels, provenance
from dressform.imaging.parsing import Parsing

WALL, SKIN, CLOTH, INNER = (180, 190, 200), (230, 190, 170), (60, 120, 90), (40, 80, 60)
COLORS = np.array([WALL, CLOTH, SKIN, (200, 60, 200), INNER, WALL], np.uint8)


def _tee(stripes=False):
    """A tee with a round neckline on a headless form: photo and parsing, 200 x 160."""
    label_map = np.zeros((200, 160), np.uint8)
    label_map[8:60, 66:95] = labels.MANNEQUIN
    label_map[150:180, 60:101] = labels.MANNEQUIN
    shape = [(60, 40), (100, 40), (140, 60), (128, 90), (116, 84), (116, 160), (44, 160), (44, 84)]
    cv2.fillPoly(label_map, [np.array([*shape, (32, 90), (20, 60)])], labels.GARMENT)
    cv2.ellipse(label_map, (80, 40), (17, 24), 0, 0, 180, labels.MANNEQUIN, -1)
    image = COLORS[label_map]
    if stripes:
        rows = (np.arange(200) // 6 % 2 == 0)[:, None] & (label_map == labels.GARMENT)
        image[rows] = (200, 60, 40)
    noise = np.random.default_rng(1).normal(0, 2, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8), Parsing(label_map)


@pytest.fixture(scope="module")
def plain():
    image, parsing = _tee()
    return image, parsing, ghost.complete(image, parsing)


@pytest.fixture(scope="module")
def striped():
    image, parsing = _tee(stripes=True)
    return image, parsing, ghost.complete(image, parsing)


def test_the_neck_is_filled_with_dim_cloth(plain):
    _, parsing, result = plain
    inside = result.image[50:58, 74:87].reshape(-1, 3).mean(0)
    assert parsing.mannequin[50:58, 74:87].all()
    assert (result.alpha[50:58, 74:87] == 1).all()
    assert (inside < 0.85 * np.array(CLOTH)).all()
    assert (inside > 0.35 * np.array(CLOTH)).all()


def test_above_the_back_edge_and_below_the_hem_nothing_is_left(plain):
    *_, result = plain
    for rows in (slice(0, 34), slice(168, 200)):
        assert (result.alpha[rows] == 0).all()
        assert (result.sources[rows] == provenance.NOTHING).all()
        assert (result.image[rows] == 255).all()


def test_every_opaque_photographed_pixel_is_the_photos_own(plain, striped):
    for image, _, result in (plain, striped):
        photographed = (result.sources == provenance.PHOTO) & (result.alpha == 1)
        assert photographed.sum() > 5_000
        assert (result.image[photographed] == image[photographed]).all()


def test_every_opaque_pixel_that_differs_from_the_photo_is_marked(plain, striped):
    for image, _, result in (plain, striped):
        differs = (result.image != image).any(-1) & (result.alpha == 1)
        assert differs.any()
        assert (result.sources[differs] == provenance.INVENTED).all()


def test_nothing_is_where_no_garment_is(plain):
    *_, result = plain
    assert ((result.sources == provenance.NOTHING) == (result.alpha == 0)).all()


def test_the_map_survives_the_pictures_metadata(plain):
    *_, result = plain
    read = provenance.from_metadata(provenance.to_metadata(result.sources))
    assert (read == result.sources).all()


def test_a_mirrored_photo_gives_a_mirrored_map(plain):
    image, parsing, result = plain
    mirrored = ghost.complete(
        np.ascontiguousarray(image[:, ::-1]),
        parsing._replace(label_map=np.ascontiguousarray(parsing.label_map[:, ::-1])),
    )
    different = mirrored.sources[:, ::-1] != result.sources
    # An even kernel of the matting may shift a soft pixel.
    assert different.mean() < 0.002
    assert not cv2.erode(different.astype(np.uint8), np.ones((3, 3), np.uint8)).any()


def test_stripes_go_on_inside(striped):
    *_, result = striped
    column = result.image[46:60, 76:85].astype(float).mean(1)
    redness = column[:, 0] - column[:, 1]
    assert redness.max() > 20
    assert redness.min() < 0


def test_the_inside_is_darker_at_the_front_than_at_the_back(plain):
    *_, result = plain
    light = result.image[:, 76:85].astype(float).mean((1, 2))
    assert light[60:63].mean() < light[50:54].mean()


def test_a_generator_gets_a_smooth_base_and_a_mask_over_the_opening():
    image, parsing = _tee(stripes=True)
    result = ghost.complete(image, parsing, method="generator")
    assert result.repaint[45:60, 74:87].all()
    assert (result.sources[48:58, 74:87] == provenance.INVENTED).all()
    spread = result.image[50:58, 76:85].astype(float).std((0, 1)).max()
    assert spread < 8


def test_photographed_inside_is_kept():
    image, parsing = _tee()
    label_map = parsing.label_map.copy()
    # Down to the front's edge: an island of inside amid the neck would be an error of the labels.
    seen = np.zeros(label_map.shape, bool)
    seen[44:60, 64:77] = label_map[44:60, 64:77] == labels.MANNEQUIN
    label_map[seen] = labels.INTERIOR
    image = image.copy()
    image[seen] = INNER
    result = ghost.complete(image, Parsing(label_map))
    assert (result.sources[46:51, 72:75] == provenance.PHOTO).all()
    assert (result.image[46:51, 72:75] == INNER).all()


def test_an_arm_in_front_is_covered_with_cloth_and_marked():
    image, parsing = _tee()
    label_map, image = parsing.label_map.copy(), image.copy()
    label_map[110:118, 60:100] = labels.MANNEQUIN
    image[110:118, 60:100] = SKIN
    result = ghost.complete(image, Parsing(label_map))
    patch = result.image[112:116, 64:96].astype(int)
    assert np.abs(patch - CLOTH).mean() < 12
    assert (result.sources[112:116, 64:96] == provenance.INVENTED).all()


def test_from_behind_the_neckline_stays_open():
    image, parsing = _tee()
    result = ghost.complete(image, parsing._replace(view="back"))
    assert result.alpha[50, 80] == 0
    assert not (result.sources == provenance.INVENTED).any()
    assert result.warnings == (ghost.NO_OPENING,)


def test_no_argument_is_changed():
    image, parsing = _tee()
    before, labels_before = image.copy(), parsing.label_map.copy()
    ghost.complete(image, parsing, background="keep")
    assert (image == before).all()
    assert (parsing.label_map == labels_before).all()


class TestBadInput:
    def test_no_garment_is_explained(self):
        image, parsing = _tee()
        with pytest.raises(ValueError, match=r"parsing must contain a garment, got none\. Choose"):
            ghost.complete(image, Parsing(np.zeros_like(parsing.label_map)))

    def test_an_unknown_method_is_explained(self):
        image, parsing = _tee()
        with pytest.raises(ValueError, match="one of complete, generator, got 'magic'"):
            ghost.complete(image, parsing, method="magic")

    def test_another_size_is_explained(self):
        image, parsing = _tee()
        with pytest.raises(ValueError, match="parsing must be 10x160 like image, got 200x160"):
            ghost.complete(image[:10], parsing)

    @pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (2, 2)], ids=str)
    def test_tiny_pictures_pass_through(self, size):
        image = np.full((*size, 3), 90, np.uint8)
        result = ghost.complete(image, Parsing(np.full(size, labels.GARMENT, np.uint8)))
        assert result.sources.shape == size
        assert not (result.sources == provenance.INVENTED).any()

    def test_a_garment_without_an_opening_is_left_alone_with_a_sentence(self):
        label_map = np.zeros((120, 90), np.uint8)
        label_map[20:100, 20:70] = labels.GARMENT
        image = COLORS[label_map]
        result = ghost.complete(image, Parsing(label_map))
        assert result.warnings == (ghost.NO_OPENING,)
        assert (result.image[30:90, 30:60] == image[30:90, 30:60]).all()

    def test_a_garment_cut_by_the_frame_is_filled_inside_it(self):
        image, parsing = _tee()
        image, label_map = image[44:], parsing.label_map[44:]
        result = ghost.complete(np.ascontiguousarray(image), Parsing(label_map.copy()))
        assert result.image.shape == image.shape
        assert (result.sources[6:12, 76:84] == provenance.INVENTED).all()
