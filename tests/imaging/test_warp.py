"""The geometry under the warp engine: similarity, spline, mesh, bones."""

import numpy as np
import pytest
from dressform.imaging.drape import mesh, skinning, thin_plate

SQUARE = np.array([(0, 0), (100, 0), (100, 100), (0, 100), (50, 40)], np.float64)


def test_similarity_recovers_turn_scale_and_shift():
    turn = np.array([[0, -2], [2, 0]])  # a quarter turn, twice as large
    target = SQUARE @ turn.T + (7, -3)
    matrix = thin_plate.similarity(SQUARE, target, np.ones(5))
    assert matrix == pytest.approx(np.array([[0, -2, 7], [2, 0, -3]]), abs=1e-9)


def test_similarity_ignores_points_without_weight():
    target = SQUARE + np.array([5, 5])
    target[4] = (900, -900)
    matrix = thin_plate.similarity(SQUARE, target, np.array([1, 1, 1, 1, 0]))
    assert matrix == pytest.approx(np.array([[1, 0, 5], [0, 1, 5]]), abs=1e-9)


def test_similarity_never_mirrors():
    matrix = thin_plate.similarity(SQUARE, SQUARE * (-1, 1), np.ones(5))
    assert np.linalg.det(matrix[:, :2]) >= 0


def test_one_point_is_too_few():
    with pytest.raises(ValueError, match="at least two distinct body points"):
        thin_plate.similarity(np.ones((3, 2)), np.ones((3, 2)), np.ones(3))


def test_spline_passes_through_its_points():
    target = SQUARE + np.random.default_rng(4).normal(0, 5, SQUARE.shape)
    spline = thin_plate.fit(SQUARE, target)
    assert thin_plate.apply(spline, SQUARE) == pytest.approx(target, abs=1e-6)


def test_spline_of_an_affine_map_is_that_map():
    linear = np.array([[1.2, 0.3], [-0.1, 0.8]])
    spline = thin_plate.fit(SQUARE, SQUARE @ linear.T + 4)
    inner = np.array([(33.0, 71.0), (150.0, -20.0)])
    assert thin_plate.apply(spline, inner) == pytest.approx(inner @ linear.T + 4, abs=1e-6)


def test_jacobian_of_a_scaling_is_its_square():
    spline = thin_plate.fit(SQUARE, SQUARE * 3)
    assert thin_plate.jacobian(spline, SQUARE) == pytest.approx(np.full(5, 9.0), rel=1e-4)


def test_a_spline_that_would_fold_is_bent_less():
    source = np.vstack([SQUARE[:4], (45, 50), (55, 50)])
    target = np.vstack([SQUARE[:4], (70, 50), (30, 50)])  # the two points cross over
    grid = np.stack(np.meshgrid(np.linspace(0, 100, 33), np.linspace(0, 100, 33)), -1)
    assert (thin_plate.jacobian(thin_plate.fit(source, target), grid) < 0).any()
    spline = thin_plate.unfolded(source, target, (0, 0, 100, 100))
    assert (thin_plate.jacobian(spline, grid) > 0).all()


def test_a_mesh_covers_its_mask():
    mask = np.zeros((60, 40), bool)
    mask[10:50, 5:35] = True
    cloth = mesh.cover(mask, 8)
    drawn = mesh.sources(cloth, cloth.points, 0, 60, 40)
    rows, columns = np.nonzero(mask)
    assert drawn[rows, columns] == pytest.approx(np.stack([columns, rows], 1), abs=1e-3)


def test_a_shifted_mesh_tells_where_pixels_came_from():
    mask = np.ones((30, 30), bool)
    cloth = mesh.cover(mask, 6)
    drawn = mesh.sources(cloth, cloth.points * 2 + (10, 20), 0, 100, 100)
    assert drawn[50, 40] == pytest.approx((15, 15), abs=1e-3)
    assert drawn[1, 1].max() < -1000


def test_strips_of_a_mesh_agree_with_the_whole():
    cloth = mesh.cover(np.ones((30, 30), bool), 6)
    moved = cloth.points * 1.7 + 3
    whole = mesh.sources(cloth, moved, 0, 60, 60)
    strip = mesh.sources(cloth, moved, 25, 20, 60)
    assert strip == pytest.approx(whole[25:45], abs=1e-2)


def test_flipped_triangles_are_not_drawn():
    cloth = mesh.cover(np.ones((20, 20), bool), 4)
    assert (mesh.sources(cloth, cloth.points * (-1, 1) + (20, 0), 0, 20, 20) < -1000).all()


def test_a_bone_maps_its_ends_and_keeps_its_width():
    source, target = np.array([(0.0, 0), (0, 10)]), np.array([(5.0, 5), (25, 5)])
    matrix = skinning.bone(source, target, 2.0, 3.0)
    moved = skinning.transform(matrix, np.array([(0.0, 0), (0, 10), (1, 0)]))
    assert moved == pytest.approx(np.array([(5, 5), (25, 5), (5, 2)]), abs=1e-9)


@pytest.mark.parametrize(("value", "expected"), [(-1, 0), (0, 0), (0.5, 0.5), (1, 1), (2, 1)])
def test_smoothstep_rises_between_its_ends(value, expected):
    assert skinning.smoothstep(np.array(value), 0.0, 1.0) == pytest.approx(expected)
