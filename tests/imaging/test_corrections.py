"""The user's strokes win, reach what belongs together, and leave the rest alone."""

import cv2
import numpy as np
import pytest
from dressform.imaging import labels, parse, strokes
from dressform.imaging.parser import belonging, corrections
from dressform.imaging.parser.network import Reading

SIZE = (128, 96)
GREY, BLUE, WOOD = (205, 205, 200), (60, 80, 150), (190, 150, 110)


def one_hot(label_map):
    return (label_map[..., None] == np.arange(6)).astype(np.float32)


def line(role, *points, radius_px=1.5, closed=False):
    rows = np.array([(x, y, 1) for x, y in points], float)
    return strokes.stroke(role, rows, radius_px, closed=closed)


def document(*listed, width=SIZE[1], height=SIZE[0], photo=""):
    return strokes.StrokeDocument(width, height, photo, listed)


@pytest.fixture(scope="module")
def scene():
    """A blue shirt with two sleeves on a wooden form before a grey wall: (image, true labels)."""
    truth = np.zeros(SIZE, np.uint8)
    cv2.rectangle(truth, (44, 8), (52, 30), labels.MANNEQUIN, -1)
    cv2.rectangle(truth, (30, 30), (66, 95), labels.GARMENT, -1)
    cv2.rectangle(truth, (14, 30), (30, 70), labels.GARMENT, -1)
    cv2.rectangle(truth, (66, 30), (82, 70), labels.GARMENT, -1)
    cv2.rectangle(truth, (45, 96), (51, 127), labels.SUPPORT, -1)
    colors = np.array([GREY, BLUE, WOOD, (40, 40, 40), GREY, GREY], float)
    noise = np.random.default_rng(1).normal(0, 2, (*SIZE, 3))
    return np.clip(colors[truth] + noise, 0, 255).astype(np.uint8), truth


@pytest.fixture(scope="module")
def photo(scene):
    """The same, larger than the working copy."""
    wide = cv2.resize(scene[0], (768, 1024), interpolation=cv2.INTER_LINEAR)
    return wide, cv2.resize(scene[1], (768, 1024), interpolation=cv2.INTER_NEAREST)


def corrected(scene, found, *listed):
    return corrections.apply(one_hot(found), scene[0], document(*listed)).argmax(-1)


def test_one_stroke_brings_back_a_sleeve_called_mannequin(scene):
    _, truth = scene
    found = truth.copy()
    found[30:71, 67:83] = labels.MANNEQUIN
    after = corrected(scene, found, line("garment", (75, 36), (75, 62)))
    assert (found != truth).sum() > 600
    assert (after != truth).sum() < 40


def test_one_stroke_rescues_a_parse_that_found_nothing(scene):
    _, truth = scene
    found = np.zeros_like(truth)
    after = corrected(scene, found, line("garment", (22, 45), (48, 50), (74, 45)))
    garment = truth == labels.GARMENT
    assert (after == labels.GARMENT)[garment].mean() > 0.95
    assert (after == labels.GARMENT)[~garment].mean() < 0.01


def test_a_neck_called_garment_becomes_mannequin_and_the_shirt_stays(scene):
    _, truth = scene
    found = np.where(truth == labels.MANNEQUIN, labels.GARMENT, truth)
    after = corrected(scene, found, line("mannequin", (48, 12), (48, 26)))
    assert (after[truth == labels.MANNEQUIN] == labels.MANNEQUIN).mean() > 0.9
    assert (after[truth == labels.GARMENT] == labels.GARMENT).mean() > 0.98


def test_background_erases_garment_and_clutter(scene):
    _, truth = scene
    found = truth.copy()
    found[5:60, 86:96] = labels.GARMENT
    found[100:125, 5:30] = labels.CLUTTER
    after = corrected(scene, found, line("background", (90, 10), (90, 50)))
    assert (after[5:60, 86:96] == labels.BACKGROUND).mean() > 0.9
    after = corrected(scene, found, line("background", (10, 110), (25, 110)))
    assert after[110, 15] == labels.BACKGROUND


@pytest.mark.parametrize("seed", range(6))
def test_on_a_strokes_pixels_its_label_wins_and_the_later_stroke_over_the_earlier(scene, seed):
    image, _ = scene
    random = np.random.default_rng(seed)
    shares = random.random((*SIZE, 6)).astype(np.float32) ** 4
    shares /= shares.sum(-1, keepdims=True)
    roles = list(corrections.ROLE_LABELS)
    listed = [
        line(
            roles[random.integers(3)],
            *random.uniform(-20, 140, (4, 2)),
            radius_px=random.uniform(0.5, 6),
            closed=bool(random.integers(2)),
        )
        for _ in range(5)
    ]
    said = document(*listed)
    after = corrections.apply(shares, image, said)
    expected = np.full(SIZE, corrections.UNSAID)
    for stroke in listed:
        alone = corrections.seed_map(document(stroke), SIZE)
        expected[alone != corrections.UNSAID] = corrections.ROLE_LABELS[stroke.role]
    struck = expected != corrections.UNSAID
    assert struck.any()
    assert (belonging.GROUPS[after.argmax(-1)] == expected)[struck].all()
    assert np.allclose(after.sum(-1), 1, atol=1e-5)
    full = corrections.obey(np.zeros((256, 192), np.uint8), after.argmax(-1).astype(np.uint8), said)
    wide = corrections.seed_map(said, (256, 192))
    assert (belonging.GROUPS[full] == wide)[wide != corrections.UNSAID].all()


def test_a_mannequin_stroke_says_support_where_the_shares_lean_to_it(scene):
    image, truth = scene
    shares = one_hot(np.where(truth == labels.SUPPORT, labels.GARMENT, truth))
    shares[96:, 45:52] = (0, 0.6, 0.1, 0.3, 0, 0)
    said = document(line("mannequin", (48, 100), (48, 124)))
    after = corrections.apply(shares, image, said).argmax(-1)
    assert (after[100:124, 48] == labels.SUPPORT).all()
    assert (after[truth == labels.SUPPORT] == labels.SUPPORT).mean() > 0.9


def test_what_no_stroke_reaches_is_bit_equal(scene):
    image, truth = scene
    shares = one_hot(truth) * 0.7 + 0.05
    after = corrections.apply(shares, image, document(line("garment", (75, 36), (75, 62))))
    assert np.array_equal(after[:, :60], shares[:, :60])


def test_nothing_mutates_its_arguments(scene):
    image, truth = scene
    shares = one_hot(truth)
    before = shares.copy(), image.copy()
    corrections.apply(shares, image, document(line("background", (20, 20), (80, 100))))
    assert np.array_equal(shares, before[0])
    assert np.array_equal(image, before[1])


@pytest.mark.parametrize(
    "said",
    [
        document(),
        document(line("head", (40, 40), (60, 60)), line("free", (1, 1), (50, 50))),
        document(line("garment", (-60, -60), (-40, -90))),
    ],
    ids=["empty", "only body roles", "outside of the photo"],
)
def test_strokes_that_say_nothing_change_nothing(scene, said):
    image, truth = scene
    shares = one_hot(truth)
    assert np.array_equal(corrections.apply(shares, image, said), shares)


def test_a_document_of_the_full_photo_is_scaled_to_the_copy(scene):
    image, truth = scene
    found = np.where(truth == labels.GARMENT, labels.BACKGROUND, truth)
    small = corrected(scene, found, line("garment", (48, 40), (48, 80)))
    said = document(line("garment", (480, 400), (480, 800), radius_px=15), width=960, height=1280)
    assert np.array_equal(corrections.apply(one_hot(found), image, said).argmax(-1), small)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (23, 40), (24, 24), (700, 30)])
def test_pictures_too_small_to_spread_over_still_obey_the_pixels(size):
    image = np.full((*size, 3), 128, np.uint8)
    shares = one_hot(np.zeros(size, np.uint8))
    x, y = size[1] // 2, size[0] // 2
    said = document(line("garment", (x, y)), width=size[1], height=size[0])
    assert corrections.apply(shares, image, said)[y, x].argmax() == labels.GARMENT


def test_a_picture_of_one_colour_is_no_trouble(scene):
    image = np.full((*SIZE, 3), 255, np.uint8)
    said = document(line("garment", (30, 30), (60, 90)), line("background", (10, 10), (10, 100)))
    after = corrections.apply(one_hot(np.zeros(SIZE, np.uint8)), image, said).argmax(-1)
    assert after[60, 45] == labels.GARMENT
    assert after[50, 10] == labels.BACKGROUND


def test_shares_of_another_size_are_refused(scene):
    with pytest.raises(ValueError, match=r"shares must be 128x96x6 like image, got 10x10x6\. "):
        corrections.apply(np.zeros((10, 10, 6), np.float32), scene[0], document())


class TestMasks:
    def test_painted_masks_correct_like_strokes(self, scene):
        image, truth = scene
        found = np.where(truth == labels.MANNEQUIN, labels.GARMENT, truth)
        found[30:71, 67:83] = labels.MANNEQUIN
        keep, drop = np.zeros(SIZE, np.float32), np.zeros(SIZE, np.float32)
        keep[36:62, 73:78] = 1
        drop[12:26, 47:50] = 1
        seeds = corrections.from_masks(keep, drop)
        after = corrections.apply(one_hot(found), image, seeds).argmax(-1)
        assert (after[truth == labels.GARMENT] == labels.GARMENT).mean() > 0.97
        assert (after[10:28, 45:52] != labels.GARMENT).mean() > 0.9

    def test_what_is_dropped_becomes_what_the_shares_hold_second_most(self, scene):
        image, truth = scene
        shares = one_hot(np.where(truth == labels.MANNEQUIN, labels.GARMENT, truth))
        shares[truth == labels.MANNEQUIN] = (0.05, 0.6, 0.35, 0, 0, 0)
        drop = np.zeros(SIZE, bool)
        drop[12:26, 47:50] = True
        seeds = corrections.from_masks(None, drop)
        assert corrections.apply(shares, image, seeds)[20, 48].argmax() == labels.MANNEQUIN

    def test_without_a_second_choice_the_nearest_colour_decides(self, scene):
        image, truth = scene
        found = truth.copy()
        found[5:60, 86:96] = labels.GARMENT
        drop = np.zeros(SIZE, bool)
        drop[10:50, 89:92] = True
        after = corrections.apply(one_hot(found), image, corrections.from_masks(None, drop))
        assert after[30, 90].argmax() == labels.BACKGROUND

    def test_masks_of_another_size_are_scaled_and_thin_lines_survive(self, scene):
        keep = np.zeros((4 * SIZE[0], 4 * SIZE[1]), np.float32)
        keep[:, 200:203] = 1
        seeds = corrections.seed_map(corrections.from_masks(keep, None), SIZE)
        assert (seeds[:, 50] == labels.GARMENT).all()

    def test_strokes_win_over_drop_and_drop_over_keep(self):
        everywhere = np.ones(SIZE, bool)
        said = document(line("garment", (10, 10), (20, 10)))
        seeds = corrections.from_masks(everywhere, everywhere, said)
        assert seeds[10, 15] == labels.GARMENT
        assert seeds[60, 60] == corrections.NO_GARMENT

    def test_empty_masks_say_nothing(self):
        empty = np.zeros((64, 64), np.float32)
        assert corrections.from_masks(empty, None) is None
        assert corrections.from_masks(None, None) is None


class TestDoubts:
    def test_a_document_of_this_photo_has_none(self, scene):
        image = scene[0]
        said = document(line("garment", (1, 1)), photo=strokes.fingerprint(image))
        assert corrections.doubts(said, image) == ()
        assert corrections.doubts(said._replace(photo=""), image) == ()

    @pytest.mark.parametrize(
        ("said", "sentence"),
        [
            (document(line("garment", (1, 1)), photo="00ff"), "drawn on another photo"),
            (document(line("garment", (1, 1)), width=128), "128x128 pixels, this photo has 96x128"),
            (document(line("head", (1, 1))), "no stroke of the roles garment, mannequin, backgr"),
        ],
    )
    def test_what_is_odd_is_said_with_advice(self, scene, said, sentence):
        (found,) = corrections.doubts(said, scene[0])
        assert sentence in found
        assert found.count(". ") == 1
        assert found.endswith(".")


def seen_nothing(small):
    shares = np.zeros((*small.shape[:2], len(labels.NAMES)), np.float32)
    shares[..., labels.BACKGROUND] = 1
    return Reading(shares, np.zeros((18, 3), np.float32), 0.0)


class TestParse:
    """`parse` with corrections, on a photo larger than its working copy."""

    def test_a_stroke_saves_a_photo_in_which_nothing_was_found(self, photo, monkeypatch):
        image, truth = photo
        monkeypatch.setattr(parse.network, "read", seen_nothing)
        assert not parse.parse(image).garment.any()
        said = document(line("garment", (22, 45), (48, 50), (74, 45)))
        parsing = parse.parse(image, said)
        garment = truth == labels.GARMENT
        assert (parsing.garment & garment).sum() / (parsing.garment | garment).sum() > 0.93
        assert parsing.confidence >= 0.5
        assert not any("No garment" in line for line in parsing.warnings)

    def test_what_no_stroke_reaches_is_equal_to_the_plain_parsing(self, photo):
        image, _ = photo
        plain = parse.parse(image)
        said = document(line("background", (3, 3), (3, 20)))
        corrected = parse.parse(image, said)
        assert np.array_equal(plain.label_map[300:], corrected.label_map[300:])
        assert np.array_equal(parse.parse(image, document()).label_map, plain.label_map)

    def test_strokes_are_obeyed_at_full_size(self, photo):
        image, _ = photo
        said = document(
            line("background", (40, 60), (60, 60)), line("mannequin", (50, 50), (50, 70))
        )
        label_map = parse.parse(image, said).label_map
        seeds = corrections.seed_map(said, label_map.shape)
        assert (belonging.GROUPS[label_map] == seeds)[seeds != corrections.UNSAID].all()

    def test_another_engine_is_corrected_in_the_same_way(self, photo):
        image, truth = photo

        def segment(small):
            size = small.shape[1], small.shape[0]
            found = cv2.resize(truth, size, interpolation=cv2.INTER_NEAREST)
            return one_hot(np.where(found == labels.MANNEQUIN, labels.GARMENT, found))

        plain = parse.parse(image, segment=segment)
        assert not plain.mannequin.any()
        said = document(line("mannequin", (48, 12), (48, 26)))
        corrected = parse.parse(image, said, segment=segment)
        assert corrected.mannequin[truth == labels.MANNEQUIN].mean() > 0.85
