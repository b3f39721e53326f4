import cv2
import numpy as np
import pytest
from dressform.imaging import body, cutout, labels, masks, matting, studio
from dressform.imaging.parsing import Parsing

WALL, SKIN, CLOTH, POLE = (180, 190, 200), (230, 190, 170), (40, 90, 60), (200, 60, 200)
PAPER = np.zeros((30, 90, 3), np.uint8) + np.uint8((10, 200, 90))


@pytest.fixture(autouse=True)
def no_body(monkeypatch):
    """Finding the body takes most of the time; test_repaint.py looks at it."""

    def locate(parsing):
        raise ValueError

    monkeypatch.setattr(body, "locate", locate)


@pytest.fixture
def scene():
    """A green tee with a round neckline on a form with neck, legs and pole, softly photographed."""
    label_map = np.zeros((240, 180), np.uint8)
    cv2.rectangle(label_map, (78, 20), (102, 60), labels.MANNEQUIN, -1)
    cv2.rectangle(label_map, (70, 160), (110, 220), labels.MANNEQUIN, -1)
    cv2.rectangle(label_map, (87, 220), (93, 239), labels.SUPPORT, -1)
    cv2.rectangle(label_map, (45, 50), (135, 170), labels.GARMENT, -1)
    cv2.ellipse(label_map, (90, 50), (18, 30), 0, 0, 360, labels.MANNEQUIN, -1)
    return photo_of(label_map), Parsing(label_map)


def photo_of(label_map):
    colors = np.array([WALL, CLOTH, SKIN, POLE, (20, 40, 30), WALL], np.uint8)
    noise = np.random.default_rng(4).integers(-3, 4, (*label_map.shape, 3))
    soft = cv2.GaussianBlur(colors[label_map], (0, 0), 0.7).astype(np.int16) + noise
    return np.clip(soft, 0, 255).astype(np.uint8)


def like(image, color, tolerance=6):
    return (np.abs(image.astype(int) - color) <= tolerance).all(-1)


def cut(image, parsing, **options):
    return cutout.remove(image, parsing, picture=PAPER, **options)


@pytest.mark.parametrize("background", studio.STAGES)
def test_no_mannequin_and_no_stand_remain(scene, background):
    image, parsing = scene
    result = cut(image, parsing, background=background).image
    assert like(image, SKIN).sum() > 2000
    assert not like(result, SKIN, 20).any()
    assert not like(result, POLE, 20).any()


@pytest.mark.parametrize("background", studio.STAGES)
def test_inside_its_edges_the_garment_is_bit_equal_to_the_photo(scene, background):
    image, parsing = scene
    result = cut(image, parsing, background=background)
    inner = masks.shrink(parsing.garment, matting.reach_px(*parsing.size))
    assert inner.sum() > 3000
    assert (result.alpha[inner] == 1).all()
    assert (result.image[inner] == image[inner]).all()
    assert (result.foreground[inner] == image[inner]).all()


@pytest.mark.parametrize("seed", range(4))
def test_where_it_is_opaque_any_garment_is_bit_equal_to_the_photo(seed):
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (70, 90, 3), np.uint8)
    blobs = cv2.GaussianBlur(generator.standard_normal((70, 90)).astype(np.float32), (0, 0), 7)
    label_map = np.where(blobs > 0, labels.GARMENT, labels.MANNEQUIN).astype(np.uint8)
    result = cut(image, Parsing(label_map))
    solid = result.alpha == 1
    inner = masks.shrink(cutout.select(image, Parsing(label_map)).kept, matting.reach_px(70, 90))
    assert solid.any()
    assert (solid | ~inner).all()
    assert (result.image[solid] == image[solid])[~result.repaint[solid]].all()


@pytest.mark.parametrize(
    ("background", "color"),
    [
        ("white", (255, 255, 255)),
        ("grey", (242, 242, 242)),
        ("transparent", (255, 255, 255)),
        ("color", (250, 20, 3)),
        ("picture", (10, 200, 90)),
    ],
)
def test_a_plain_page_is_flat(scene, background, color):
    result = cut(*scene, background=background, color=(250, 20, 3))
    assert (result.image[result.alpha == 0] == color).all()


def test_openings_stay_open(scene):
    result = cut(*scene)
    assert result.alpha[70, 90] == 0
    assert like(result.image[60:76, 84:96], (255, 255, 255), 0).all()


def test_a_visible_inside_is_kept_as_it_is(scene):
    label_map = scene[1].label_map.copy()
    label_map[50:66, 76:104] = labels.INTERIOR
    image = photo_of(label_map)
    result = cut(image, Parsing(label_map))
    assert (result.image[58:63, 86:94] == image[58:63, 86:94]).all()


def test_pinholes_and_notches_of_the_labels_are_closed(scene):
    image, parsing = scene
    label_map = parsing.label_map.copy()
    label_map[120, 90] = labels.MANNEQUIN
    label_map[140, 45:47] = labels.BACKGROUND
    found = cutout.select(image, parsing._replace(label_map=label_map))
    assert found.kept[120, 90]
    assert found.kept[140, 46]
    assert not found.kept[55, 90]


def test_no_halo_of_a_white_form_on_a_black_page():
    label_map = np.zeros((160, 120), np.uint8)
    label_map[40:120, 30:90] = labels.GARMENT
    colors = np.array([(250, 250, 250), CLOTH], np.uint8)
    image = cv2.GaussianBlur(colors[label_map], (0, 0), 1.0)
    result = cut(image, Parsing(label_map), background="color", color=(0, 0, 0))
    assert image[80, 29].min() > CLOTH[1] + 20, "the photo's own edge is bright"
    assert (result.image.astype(int) <= np.add(CLOTH, 6)).all()


def test_keep_changes_nothing_but_where_the_mannequin_was(scene):
    image, parsing = scene
    result = cut(image, parsing, background="keep").image
    gone = parsing.mannequin | parsing.support
    far = ~masks.grow(gone, 4 * matting.band_px(*parsing.size) + 1)
    assert (result[far] == image[far]).all()
    assert like(result[:40], WALL, 14).all()
    assert like(result[182:], WALL, 14).all()


class TestHoles:
    """An arm or a pole in front of the cloth."""

    def crossed(self, scene, box, label=labels.MANNEQUIN):
        label_map = scene[1].label_map.copy()
        top, bottom, left, right = box
        label_map[top:bottom, left:right] = label
        return photo_of(label_map), Parsing(label_map)

    def test_a_small_one_is_covered_with_cloth(self, scene):
        image, parsing = self.crossed(scene, (125, 133, 70, 110))
        result = cut(image, parsing)
        assert like(result.image[125:133, 72:108], CLOTH, 14).all()
        assert result.repaint[129, 90]
        assert (result.alpha[125:133, 70:110] == 1).all()

    def test_a_large_one_stays_open(self, scene):
        result = cut(*self.crossed(scene, (100, 150, 60, 120)))
        assert result.alpha[125, 90] == 0

    def test_an_armhole_stays_open(self, scene):
        result = cut(*self.crossed(scene, (60, 72, 118, 128)))
        assert result.alpha[66, 123] == 0

    def test_a_gap_with_the_wall_behind_it_stays_open(self, scene):
        result = cut(*self.crossed(scene, (125, 133, 70, 110), labels.BACKGROUND))
        assert result.alpha[129, 90] == 0


class TestCrumbs:
    """Small pieces that the parsing calls garment, far from the garment."""

    def pieces(self, *boxes):
        mask = np.zeros((200, 150), bool)
        for top, bottom, left, right in boxes:
            mask[top:bottom, left:right] = True
        return mask

    def test_a_piece_of_the_stand_goes(self):
        garment, foot = (20, 120, 40, 110), (180, 190, 50, 100)
        kept = cutout.without_crumbs(self.pieces(garment, foot))
        assert (kept == self.pieces(garment)).all()

    def test_two_garments_stay(self):
        both = self.pieces((10, 90, 40, 110), (110, 160, 50, 90))
        assert (cutout.without_crumbs(both) == both).all()

    def test_a_cuff_behind_an_arm_stays(self):
        both = self.pieces((10, 90, 40, 110), (94, 104, 100, 112))
        assert (cutout.without_crumbs(both) == both).all()


class TestBadInput:
    def test_no_garment_is_explained(self, scene):
        image, parsing = scene
        with pytest.raises(ValueError, match=r"parsing must contain a garment, got none. Choose"):
            cut(image, Parsing(np.zeros_like(parsing.label_map)))

    def test_an_unknown_background_is_explained(self, scene):
        with pytest.raises(ValueError, match=r"one of white, grey, keep, .*, got 'beach'"):
            cut(*scene, background="beach")

    def test_another_size_is_explained(self, scene):
        image, parsing = scene
        with pytest.raises(ValueError, match="parsing must be 10x180 like image, got 240x180"):
            cut(image[:10], parsing)

    def test_a_missing_backdrop_is_explained(self, scene):
        with pytest.raises(
            ValueError, match=r"backdrop must be connected .*, got nothing. Connect"
        ):
            cutout.remove(*scene, background="picture")

    @pytest.mark.parametrize("background", studio.STAGES)
    @pytest.mark.parametrize("size", [(1, 1), (1, 7), (40, 30)])
    def test_a_garment_that_fills_the_frame_is_the_photo(self, size, background):
        image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
        result = cut(image, Parsing(np.ones(size, np.uint8)), background=background)
        assert (result.image == image).all()
        assert (result.alpha == 1).all()

    def test_a_garment_at_the_frame_stays_solid_there(self):
        label_map = np.zeros((60, 60), np.uint8)
        label_map[20:, 10:] = labels.GARMENT
        result = cut(photo_of(label_map), Parsing(label_map))
        assert (result.alpha[-1, 16:] == 1).all()
        assert (result.alpha[26:, -1] == 1).all()

    def test_no_argument_is_changed(self, scene):
        image, parsing = scene
        before, labels_before = image.copy(), parsing.label_map.copy()
        for background in studio.STAGES:
            cut(image, parsing, background=background)
        assert (image == before).all()
        assert (parsing.label_map == labels_before).all()


@pytest.mark.parametrize(
    ("text", "color"),
    [("#ffffff", (255, 255, 255)), ("0a10F0", (10, 16, 240)), (" #f2c ", (255, 34, 204))],
)
def test_colours_are_read_as_web_pages_write_them(text, color):
    assert studio.color(text) == color


@pytest.mark.parametrize("text", ["", "#", "white", "#12345", "#1234567", "#gggggg", "255,0,0"])
def test_what_is_no_colour_is_explained(text):
    with pytest.raises(ValueError, match=r"color must be a hex colour such as #f2f2f2, got "):
        studio.color(text)
