"""The parser's stages, each on pictures whose answer is known."""

import numpy as np
import pytest
from dressform.imaging import labels, overlay
from dressform.imaging.parser import assessment, background, doubts, foreground, refine, superpixels


def wall_with_box(height=120, width=160):
    """A wall that darkens to the right, and a blue box in its middle."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:] = np.linspace(230, 180, width)[None, :, None]
    box = np.zeros((height, width), bool)
    box[30:100, 55:105] = True
    image[box] = (30, 60, 160)
    return image, box


def test_background_follows_a_gradient_and_sees_the_box():
    image, box = wall_with_box()
    rows, palette = background.distances(background.to_lab(image))
    assert rows[~box].max() < 3 < rows[box].min()
    assert palette[box].min() > 3


def test_foreground_selects_the_box_alone():
    image, box = wall_with_box()
    found = foreground.find(image)
    assert (found & box).sum() / (found | box).sum() > 0.95


def test_main_part_prefers_the_middle_over_a_larger_thing_at_the_side():
    figure = np.zeros((60, 100), bool)
    figure[5:55, :14] = True
    figure[20:40, 42:58] = True
    assert np.array_equal(np.unique(np.nonzero(foreground.main_part(figure))[1]), np.arange(42, 58))


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


def test_expected_iou_of_a_certain_answer_is_one_and_of_a_coin_toss_a_half():
    areas = np.array([10.0, 10.0])
    sure = np.array([[1.0, 0, 0, 0, 0], [0, 1, 0, 0, 0]])
    assert assessment.expected_iou(areas, sure) == 1
    toss = np.array([[1.0, 0, 0, 0, 0], [0, 0.5, 0.5 - 1e-9, 0, 0]])
    assert assessment.expected_iou(areas, toss) == pytest.approx(0.5)
    assert assessment.expected_iou(areas, np.tile(sure[:1], (2, 1))) == 0


def test_two_garments_are_reported():
    image = np.full((100, 120, 3), 240, np.uint8)
    label_map = np.zeros((100, 120), np.uint8)
    for left in (10, 70):
        label_map[20:80, left : left + 35] = labels.GARMENT
    image[label_map > 0] = (20, 90, 60)
    told = doubts.sentences(image, label_map, confidence=0.9, person=False)
    assert told == (doubts.TWO_GARMENTS,)


def test_a_garment_of_the_mannequins_color_is_reported():
    image = np.full((100, 120, 3), 60, np.uint8)
    label_map = np.zeros((100, 120), np.uint8)
    label_map[20:80, 40:80] = labels.GARMENT
    label_map[80:98, 50:70] = labels.MANNEQUIN
    image[label_map > 0] = (200, 190, 180)
    told = doubts.sentences(image, label_map, confidence=0.9, person=False)
    assert told == (doubts.LIKE_MANNEQUIN,)


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
