"""The benchmark's measures, by hand."""

import numpy as np
import pytest
from dressform.imaging import labels


@pytest.fixture(scope="session")
def scores(bench):
    return bench("scores")


def squares(shape=(64, 64)):
    """A garment of 20 x 20, a mannequin of 10 x 20 above, an interior of 2 x 20 between."""
    truth = np.zeros(shape, np.uint8)
    truth[10:20, 20:40] = labels.MANNEQUIN
    truth[20:22, 20:40] = labels.INTERIOR
    truth[22:42, 20:40] = labels.GARMENT
    return truth


def test_a_perfect_parsing_has_perfect_measures(scores):
    truth = squares()
    found = scores.measure(truth == labels.GARMENT, truth == labels.MANNEQUIN, truth)
    assert found == {
        "garment_iou": 1,
        "garment_bf": 1,
        "mannequin_iou": 1,
        "residue": 0,
        "eaten": 0,
        "false_mannequin": None,
    }


def test_the_inside_of_a_garment_counts_neither_way(scores):
    truth = squares()
    kept = (truth == labels.GARMENT) | (truth == labels.INTERIOR)
    assert scores.measure(kept, truth == labels.MANNEQUIN, truth)["garment_iou"] == 1


def test_residue_and_eaten_are_shares_of_what_was_lost(scores):
    truth = squares()
    garment, mannequin = truth == labels.GARMENT, truth == labels.MANNEQUIN
    garment[15:20, 20:40] = True  # half of the mannequin
    mannequin[22:24, 20:40] = True  # a tenth of the garment
    found = scores.measure(garment, mannequin, truth)
    assert found["residue"] == pytest.approx(0.5)
    assert found["eaten"] == pytest.approx(0.1)
    assert found["garment_iou"] == pytest.approx(400 / 500)
    assert found["mannequin_iou"] == pytest.approx(200 / 240)


def test_a_mannequin_where_none_is_is_a_share_of_the_photo(scores):
    truth = squares()
    truth[truth == labels.MANNEQUIN] = labels.BACKGROUND
    nothing = np.zeros(truth.shape, bool)
    claimed = nothing.copy()
    claimed[:8, :8] = True
    found = scores.measure(nothing, claimed, truth)
    assert found["mannequin_iou"] is None
    assert found["false_mannequin"] == pytest.approx(64 / (64 * 64 - 40))


def test_outlines_agree_within_reach_only(scores):
    truth = np.zeros((64, 64), bool)
    truth[20:40, 20:40] = True
    everything = np.ones_like(truth)
    assert scores.boundary_f(np.roll(truth, 2, 0), truth, everything, 2) == pytest.approx(1)
    assert scores.boundary_f(np.roll(truth, 12, (0, 1)), truth, everything, 2) < 0.3
    assert scores.boundary_f(~everything, truth, everything, 2) == 0


def test_worst_tenth_takes_one_at_least(scores):
    assert scores.worst_tenth([0.9, 0.2, 0.5]) == 0.2
    assert scores.worst_tenth([0.1, 0.3] + [1] * 18) == pytest.approx(0.2)
    assert scores.worst_tenth([]) is None


def test_auroc_counts_pairs_in_order(scores):
    assert scores.auroc([0.9, 0.8, 0.1], [True, True, False]) == 1
    assert scores.auroc([0.1, 0.9], [True, False]) == 0
    assert scores.auroc([0.5, 0.5, 0.9], [True, False, True]) == 0.75
    assert scores.auroc([0.5, 0.6], [True, True]) is None


def test_mean_leaves_out_what_is_unknown(scores):
    assert scores.mean([1.0, None, 0.0]) == 0.5
    assert scores.mean([None]) is None
