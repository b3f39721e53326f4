"""Render Hints as ComfyUI calls it."""

import json

import numpy as np
import pytest
from dressform.imaging import body, pose, strokes


@pytest.fixture
def document():
    square = [[10, 10, 1], [30, 10, 1], [30, 30, 1], [10, 30, 1]]
    drawn = (
        strokes.stroke("head", np.array(square, float), 1.5, closed=True),
        strokes.stroke("arm_left", np.array([[40, 10, 0.5], [40, 70, 1.0]]), 1.5, closed=False),
    )
    return strokes.StrokeDocument(60, 80, "", drawn)


@pytest.fixture
def render(nodes, tensors, document):
    """Runs the node on a grey 60 x 80 photo, or on a batch of them."""

    def run(*, count=1, size=(80, 60), hints=None, **options):
        photo = tensors.from_pictures([np.full((*size, 3), 128, np.uint8)] * count)
        text = strokes.to_json(document) if hints is None else hints
        return nodes.RenderHints.execute(hints=text, image=photo, **{"grow_px": 0, **options})

    return run


def frame(missing=(), width=60, height=80):
    """A standing body of 60 pixels on a 60 x 80 photo."""
    places = {
        "Nose": (30, 14), "Neck": (30, 20), "RShoulder": (24, 21), "RElbow": (22, 31),
        "RWrist": (21, 40), "LShoulder": (36, 21), "LElbow": (38, 31), "LWrist": (39, 40),
        "RHip": (27, 42), "RKnee": (27, 56), "RAnkle": (27, 70), "LHip": (33, 42),
        "LKnee": (33, 56), "LAnkle": (33, 70), "REye": (29, 13), "LEye": (31, 13),
        "REar": (27, 13), "LEar": (33, 13),
    }  # fmt: skip
    flat = [
        value for name in pose.NAMES for value in (*places[name], 0.0 if name in missing else 1.0)
    ]
    return {
        "canvas_width": width,
        "canvas_height": height,
        "people": [{"pose_keypoints_2d": flat}],
    }


def said(output):
    return " ".join(output.ui.get("text", []))


def test_maps_have_the_working_size_and_the_others_the_photos(render):
    scribble, hinted, mask, silhouette, skeleton, roles = render(
        working_px=128, pose=[frame()]
    ).args
    assert scribble.shape == skeleton.shape == roles.shape == (1, 128, 96, 3)
    assert hinted.shape == (1, 80, 60, 3)
    assert mask.shape == silhouette.shape == (1, 80, 60)
    assert all(0 <= out.min() and out.max() <= 1 for out in (scribble, hinted, mask, roles))


def test_the_scribble_has_the_wanted_line_width_at_the_working_size(render):
    drawn = render(working_px=160, line_px=6)[0]
    row = drawn[0, 100, 60:100, 0]
    assert row.sum().item() == pytest.approx(6, abs=0.05)


def test_with_a_pose_the_silhouette_is_its_body(render, tensors):
    output = render(pose=[frame()])
    wanted = body.silhouette(pose.Pose(80, 60, pose.from_openpose(frame(), (80, 60))))
    assert (tensors.to_masks(output[3], "")[0] > 0).tolist() == wanted.tolist()
    assert output[4].max() > 0.5
    assert said(output) == ""


def test_without_a_pose_the_silhouette_is_the_strokes_and_the_skeleton_black(render):
    output = render(grow_px=4)
    grown, silhouette, skeleton = output[2], output[3], output[4]
    assert silhouette[0, 20, 20] == silhouette[0, 40, 40] == 1
    assert silhouette[0, 60, 20] == 0
    assert grown.sum() > silhouette.sum()
    assert skeleton.max() == 0
    assert "No pose is connected" in said(output)


def test_a_pose_with_missing_joints_is_drawn_as_far_as_it_goes(render):
    output = render(pose=[frame(missing=("RKnee", "LKnee", "RAnkle", "LAnkle"))])
    assert output[4][0, :45].max() > 0.5
    assert output[4][0, 55:].max() == 0
    assert (output[3] == render()[3]).all()
    assert "14 of 18 joints" in said(output)


def test_a_pose_in_shares_of_the_canvas_is_the_same_pose(render):
    shares = frame()
    flat = shares["people"][0]["pose_keypoints_2d"]
    flat[0::3] = [x / 60 for x in flat[0::3]]
    flat[1::3] = [y / 80 for y in flat[1::3]]
    assert (render(pose=[shares])[4] == render(pose=[frame()])[4]).all()


def test_hints_and_pose_of_one_photo_serve_a_batch_and_a_batch_equals_single_calls(
    render, document
):
    other = strokes.to_json(document._replace(strokes=document.strokes[:1]))
    both = render(count=2, hints=f"[{strokes.to_json(document)},{other}]", pose=[frame()])
    for index, text in enumerate((strokes.to_json(document), other)):
        alone = render(hints=text, pose=[frame()])
        for many, one in zip(both.args, alone.args, strict=True):
            assert (many[index] == one[0]).all()


def test_no_strokes_are_empty_maps_and_the_photo_itself(render, document):
    output = render(hints=strokes.to_json(document._replace(strokes=())))
    scribble, hinted, mask, silhouette, _, roles = output.args
    assert scribble.max() == mask.max() == silhouette.max() == 0
    assert hinted.min() == hinted.max()
    assert roles.min() == roles.max()


def test_strokes_wholly_outside_are_empty_maps(render, document):
    away = strokes.stroke("head", np.array([[-50.0, -70, 1], [-20, -60, 1]]), 3, closed=True)
    output = render(hints=strokes.to_json(document._replace(strokes=(away,))))
    assert output[0].max() == output[2].max() == output[3].max() == 0


def test_the_photo_of_one_pixel_is_drawn(render):
    output = render(size=(1, 1), working_px=8)
    assert output[0].shape == (1, 8, 8, 3)
    assert "60 x 80" in said(output)


@pytest.mark.parametrize(
    "text",
    ["", "no json", "[]", "[1]", "{}", '{"version": 99}', "[" * 100_000, "{" * 3_000_000],
    ids=range(8),
)
def test_malformed_hints_end_the_branch_with_a_sentence_in_both_languages(render, text):
    output = render(hints=text)
    assert "strokes" in output.block_execution or "hints" in output.block_execution
    assert "笔画" in output.block_execution
    assert output.result is None or all(value is None for value in output.args)


@pytest.mark.parametrize("people", [[], [{"pose_keypoints_2d": [1, 2]}], [{}]])
def test_a_pose_without_a_person_ends_the_branch_with_a_sentence(render, people):
    output = render(pose=[{**frame(), "people": people}])
    assert "pose must hold one person" in output.block_execution


def test_joints_at_absurd_places_do_not_hurt(render):
    absurd = json.loads(json.dumps(frame()))
    absurd["people"][0]["pose_keypoints_2d"][0:2] = [1e30, -1e30]
    assert render(pose=[absurd])[4].shape == (1, 80, 60, 3)


def test_different_counts_are_refused_with_both_numbers(render, document):
    three = ",".join([strokes.to_json(document)] * 3)
    with pytest.raises(ValueError, match="got 3 and 2"):
        render(count=2, hints=f"[{three}]")
