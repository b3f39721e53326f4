"""The parser's stages, each on pictures whose answer is known."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from dressform.imaging import labels, overlay, pictures, pose
from dressform.imaging.parser import doubts, figures, joints, network, person, refine, superpixels
from dressform.imaging.parsing import KINDS, REGIONS, VIEWS

SAMPLES = Path(__file__).parents[2] / "samples"


def wall_with_box(height=120, width=160):
    """A wall that darkens to the right, and a blue box in its middle."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:] = np.linspace(230, 180, width)[None, :, None]
    box = np.zeros((height, width), bool)
    box[30:100, 55:105] = True
    image[box] = (30, 60, 160)
    return image, box


def test_partition_covers_the_picture_and_keeps_to_its_edges():
    image, box = wall_with_box()
    patches = superpixels.partition(image)
    assert patches.areas.sum() == box.size
    assert patches.areas.min() >= 1
    share = patches.mean(box.astype(np.float32))
    mixed = (np.minimum(share, 1 - share) * patches.areas).sum()
    assert mixed < 2 * (70 + 50)  # less than one pixel along the box's outline


def test_neighbours_come_in_both_orders():
    patches = superpixels.Superpixels(np.array([[0, 0], [1, 2]], np.int32), np.array([2.0, 1, 1]))
    first, second, length = patches.neighbours()
    pairs = dict(zip(zip(first.tolist(), second.tolist(), strict=True), length, strict=True))
    assert pairs == {(0, 1): 1, (1, 0): 1, (0, 2): 1, (2, 0): 1, (1, 2): 1, (2, 1): 1}


def test_upsample_snaps_a_coarse_border_to_the_photos_edge():
    photo = np.zeros((200, 300, 3), np.uint8)
    photo[:, 137:] = 200
    small = photo[::4, ::4]
    shares = np.zeros((50, 75, 5), np.float32)
    shares[:, :36, 0] = 1  # the true border lies at 34.25, so this one is off by 7 px
    shares[:, 36:, 1] = 1
    found = refine.upsample(shares, small, photo)
    assert (found[:, 150:] == 1).all()
    assert (found[:, :130] == 0).all()
    wrong = (found != (np.arange(300) >= 137)[None]).mean()
    assert wrong < 0.01


def test_upsample_in_strips_is_seamless(monkeypatch):
    image, box = wall_with_box(120, 160)
    shares = np.stack([~box, box], -1).astype(np.float32)
    whole = refine.upsample(shares, image, image)
    monkeypatch.setattr(refine, "STRIP_PX", 7)
    assert np.array_equal(refine.upsample(shares, image, image), whole)


def certain(label_map):
    return (label_map[..., None] == np.arange(6)).astype(np.float32)


def test_the_figure_with_the_larger_garment_is_kept_and_the_other_becomes_clutter():
    label_map = np.zeros((100, 120), np.uint8)
    label_map[20:80, 10:50] = labels.GARMENT
    label_map[10:20, 20:40] = labels.MANNEQUIN
    label_map[20:80, 75:105] = labels.GARMENT
    shares, several = figures.single_out(certain(label_map))
    found = shares.argmax(-1)
    assert several
    assert (found[:, :60] == label_map[:, :60]).all()
    assert (found[20:80, 75:105] == labels.CLUTTER).all()


def test_a_top_over_a_skirt_is_one_figure():
    label_map = np.zeros((100, 120), np.uint8)
    label_map[10:45, 40:80] = labels.GARMENT
    label_map[55:95, 42:78] = labels.GARMENT
    shares = certain(label_map)
    assert figures.single_out(shares)[0] is shares
    assert not figures.single_out(shares)[1]


def test_a_speck_of_garment_on_the_wall_is_wall():
    label_map = np.zeros((200, 200), np.uint8)
    label_map[50:150, 60:140] = labels.GARMENT
    label_map[5:9, 5:9] = labels.GARMENT
    shares, several = figures.single_out(certain(label_map))
    assert not several
    assert (shares.argmax(-1)[5:9, 5:9] == labels.BACKGROUND).all()
    assert (shares.argmax(-1) == labels.GARMENT).sum() == 100 * 80


@pytest.mark.parametrize("value", [labels.BACKGROUND, labels.GARMENT, labels.CLUTTER])
def test_a_picture_of_one_label_is_left_as_it_is(value):
    shares = certain(np.full((30, 40), value, np.uint8))
    assert figures.single_out(shares)[0] is shares


@pytest.mark.parametrize("size", [(24, 24), (300, 200), (90, 512), (512, 24)])
def test_the_network_answers_for_a_picture_of_any_shape(size):
    image = np.random.default_rng(2).integers(0, 256, (*size, 3), dtype=np.uint8)
    reading = network.read(image)
    assert reading.shares.shape == (*size, len(labels.NAMES))
    assert reading.shares.sum(-1) == pytest.approx(1, abs=1e-3)
    assert len(reading.places) == len(pose.NAMES)
    assert reading.places.sum((1, 2)) == pytest.approx(1, abs=1e-3)
    look = network.look(image, reading.shares)
    for odds, names in zip(look, (KINDS[:-1], REGIONS, VIEWS), strict=True):
        assert tuple(odds) == names
        assert sum(odds.values()) == pytest.approx(1, abs=1e-3)


def test_the_network_gives_the_mirrored_answer_for_the_mirrored_photo():
    image = pictures.open_picture(SAMPLES / "headless" / "photo.jpg")
    small = cv2.resize(image, (192, 256), interpolation=cv2.INTER_AREA)
    straight = network.read(small)
    mirrored = network.read(np.ascontiguousarray(small[:, ::-1]))
    assert mirrored.shares[:, ::-1] == pytest.approx(straight.shares, abs=1e-4)
    looks = [network.look(small, straight.shares)]
    looks += [network.look(np.ascontiguousarray(small[:, ::-1]), straight.shares[:, ::-1])]
    assert looks[1].kind == pytest.approx(looks[0].kind, abs=1e-3)
    swapped = mirrored.places[list(joints.MIRRORED)]
    assert swapped[..., ::-1] == pytest.approx(straight.places, abs=1e-4)


def head_above_garment(hair):
    """A head of skin with hair of a colour, above a blue garment, and the labels."""
    image = np.full((240, 160, 3), 235, np.uint8)
    label_map = np.zeros((240, 160), np.uint8)
    cv2.rectangle(label_map, (40, 110), (120, 230), labels.GARMENT, -1)
    cv2.ellipse(label_map, (80, 65), (26, 42), 0, 0, 360, labels.MANNEQUIN, -1)
    image[label_map == labels.MANNEQUIN] = (214, 160, 130)
    image[:50][label_map[:50] == labels.MANNEQUIN] = hair
    image[label_map == labels.GARMENT] = (40, 60, 150)
    return image, label_map


def test_hair_and_skin_make_a_person_likelier_and_one_material_unlikelier():
    odds = {"full": 0.6, "headless": 0.1, "person": 0.3}
    worn = person.weigh(odds, *head_above_garment(hair=(60, 40, 28)))
    bare = person.weigh(odds, *head_above_garment(hair=(214, 160, 130)))
    assert max(worn, key=lambda name: worn[name]) == "person"
    assert max(bare, key=lambda name: bare[name]) == "full"
    assert sum(worn.values()) == pytest.approx(1)
    assert bare["full"] / bare["headless"] == pytest.approx(6)


def test_without_a_head_nothing_speaks_for_a_person():
    image, label_map = head_above_garment(hair=(60, 40, 28))
    label_map[label_map == labels.MANNEQUIN] = labels.BACKGROUND
    assert not person.shows_hair_and_skin(image, label_map)
    assert not person.shows_hair_and_skin(image, np.zeros_like(label_map))


def test_missing_weights_are_told_with_their_path(monkeypatch, tmp_path):
    monkeypatch.setattr(network, "WEIGHTS", tmp_path)
    network.session.cache_clear()
    with pytest.raises(FileNotFoundError, match=r"got no file .*labels\.onnx"):
        network.read(np.zeros((64, 64, 3), np.uint8))
    network.session.cache_clear()


def doubted(image, label_map, **given):
    known = {"size": (900, 900), "confidence": 0.9, "kind": "full", "several": False}
    return doubts.sentences(image, label_map, **(known | given))


def test_two_garments_are_reported():
    image = np.full((100, 120, 3), 240, np.uint8)
    label_map = np.zeros((100, 120), np.uint8)
    for top in (5, 55):
        label_map[top : top + 40, 40:80] = labels.GARMENT
    image[label_map > 0] = (20, 90, 60)
    assert doubted(image, label_map) == (doubts.TWO_GARMENTS,)


def test_a_garment_of_the_mannequins_color_is_reported():
    image = np.full((100, 120, 3), 60, np.uint8)
    label_map = np.zeros((100, 120), np.uint8)
    label_map[20:80, 40:80] = labels.GARMENT
    label_map[80:98, 50:70] = labels.MANNEQUIN
    image[label_map > 0] = (200, 190, 180)
    assert doubted(image, label_map) == (doubts.LIKE_MANNEQUIN,)


def test_a_garment_of_the_walls_color_is_reported():
    image = np.full((100, 120, 3), 200, np.uint8)
    label_map = np.zeros((100, 120), np.uint8)
    label_map[20:80, 40:80] = labels.GARMENT
    image[label_map > 0] = (222, 221, 224)
    assert doubted(image, label_map) == (doubts.LIKE_BACKGROUND,)


def test_a_garment_that_leaves_the_frame_is_reported_with_its_sides():
    image = np.full((100, 120, 3), 240, np.uint8)
    label_map = np.zeros((100, 120), np.uint8)
    label_map[20:, 40:80] = labels.GARMENT
    image[label_map > 0] = (20, 90, 60)
    assert doubted(image, label_map) == (doubts.CUT.format(sides="bottom"),)


def test_what_was_seen_beside_the_labels_is_reported_first():
    image = np.full((100, 120, 3), 240, np.uint8)
    label_map = np.zeros((100, 120), np.uint8)
    label_map[20:80, 40:80] = labels.GARMENT
    image[label_map > 0] = (20, 90, 60)
    told = doubted(image, label_map, size=(100, 120), kind="person", several=True)
    small = doubts.VERY_SMALL.format(height=100, width=120)
    assert told == (small, doubts.PERSON, doubts.SEVERAL)


def test_overlay_paints_labels_and_leaves_the_background_alone():
    image, box = wall_with_box()
    label_map = np.where(box, labels.GARMENT, labels.BACKGROUND).astype(np.uint8)
    painted = overlay.labels_on_photo(image, label_map, 0.5)
    assert np.array_equal(painted[~box], image[~box])
    assert tuple(painted[30, 60]) == labels.COLORS[labels.GARMENT]  # the outline is opaque
    assert tuple(painted[60, 80]) == (15, 109, 138)  # half of (30, 60, 160), half of (0, 158, 115)


@pytest.mark.parametrize(
    ("size", "opacity", "message"),
    [((5, 5), 0.5, "label_map must be 120x160 like image, got 5x5"), ((120, 160), 2, "opacity")],
)
def test_overlay_refuses_what_does_not_fit(size, opacity, message):
    image, _ = wall_with_box()
    with pytest.raises(ValueError, match=message):
        overlay.labels_on_photo(image, np.zeros(size, np.uint8), opacity)
