"""The six nodes on the sample photos as ComfyUI calls them, and on users' mistakes."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SAMPLES = sorted(path.parent.name for path in (ROOT / "samples").glob("*/photo.jpg"))


@pytest.fixture(scope="session")
def torch(nodes):
    import torch

    return torch


@pytest.fixture(scope="session")
def load(tensors):
    from dressform.imaging import pictures

    def read(name):
        return tensors.from_pictures([pictures.open_picture(ROOT / "samples" / name)])

    return read


@pytest.fixture(scope="session")
def parse(nodes):
    """Parses once for all tests: (photo batch, the node's outputs)."""
    known = {}

    def run(name, photo):
        if name not in known:
            known[name] = nodes.ParsePhoto.execute(image=photo)
        return known[name]

    return run


def try_on(nodes, person, photo, parsed, **options):
    cleaned = nodes.RemoveMannequin.execute(image=photo, parsing=parsed[0], background="white")
    return nodes.TryOn.execute(
        **{
            "person": person,
            "garment": cleaned[0],
            "garment_mask": parsed[1],
            "engine": "warp",
            "region": "auto",
            "garment_parsing": parsed[0],
            **options,
        }
    )


@pytest.mark.parametrize("sample", SAMPLES)
def test_outside_the_repainted_mask_the_person_is_bit_identical(nodes, torch, load, parse, sample):
    photo = load(f"{sample}/photo.jpg")
    # Values between the 256 levels, as an upscaler or a decoder leaves them.
    generator = torch.Generator().manual_seed(1)
    person = load("person.jpg")
    person = (person + torch.rand(person.shape, generator=generator) / 600).clamp(0, 1)
    worn, repainted, garment = try_on(nodes, person, photo, parse(sample, photo)).args[:3]
    outside = repainted == 0
    assert torch.equal(worn[outside], person[outside])
    assert 0.02 < (repainted > 0).float().mean() < 0.9
    assert (worn != person).any(-1)[repainted > 0].float().mean() > 0.5
    assert ((garment > 0) <= (repainted > 0)).all()


def test_the_main_way_ends_with_a_verdict(nodes, load, parse):
    photo, person = load("dressform/photo.jpg"), load("person.jpg")
    parsed = parse("dressform", photo)
    worn, repainted, garment = try_on(nodes, person, photo, parsed).args[:3]
    verdict, scores, heatmap, annotated = nodes.CheckQuality.execute(
        result=worn,
        source=photo,
        parsing=parsed[0],
        person=person,
        repainted_mask=repainted,
        worn_garment=garment,
    ).args
    document = json.loads(scores)
    assert verdict == document["overall"]
    assert verdict in ("pass", "warn")
    assert {check["name"] for check in document["checks"]} >= {"veil", "edge", "color", "leak"}
    leak = next(check for check in document["checks"] if check["name"] == "leak")
    assert (leak["state"], leak["value"]) == ("pass", 0)
    assert heatmap.shape == worn.shape
    assert annotated.shape[2:] == worn.shape[2:]


def test_a_veil_over_the_garment_is_found(nodes, load, parse):
    photo, person = load("dressform/photo.jpg"), load("person.jpg")
    parsed = parse("dressform", photo)
    worn, _, garment = try_on(nodes, person, photo, parsed).args[:3]
    hazy = worn + garment[..., None] * 0.25 * (0.88 - worn)
    verdict, scores, *_ = nodes.CheckQuality.execute(
        result=hazy, source=photo, parsing=parsed[0], worn_garment=garment
    ).args
    veil = next(check for check in json.loads(scores)["checks"] if check["name"] == "veil")
    assert veil["state"] == "fail"
    assert verdict == "fail"


def test_hints_are_strokes_for_what_the_dress_form_lacks(nodes, load, parse):
    photo = load("dressform/photo.jpg")
    hints, pose, silhouette = nodes.ProposeHints.execute(
        parsing=parse("dressform", photo)[0], all_parts=False
    ).args
    document = json.loads(hints)
    assert document["photo"] == parse("dressform", photo)[0][0].photo != ""
    roles = {stroke["role"] for stroke in document["strokes"]}
    assert {"head", "hand_left", "hand_right", "leg_left", "leg_right"} <= roles
    assert len(pose[0]["people"][0]["pose_keypoints_2d"]) == 54
    assert silhouette.shape == photo.shape[:3]
    assert 0.05 < silhouette.mean() < 0.6
    drawn = nodes.RenderHints.execute(hints=hints, image=photo, grow_px=0, pose=pose)
    scribble, hinted, mask, silhouette, skeleton, roles = drawn.args
    assert scribble.shape == hinted.shape == skeleton.shape == roles.shape == photo.shape
    assert 0.05 < silhouette.mean() < 0.6
    assert 0.01 < mask.mean() < 0.6
    wider = nodes.RenderHints.execute(hints=hints, image=photo, grow_px=9)[2]
    assert (wider >= mask).all()
    assert wider.sum() > mask.sum()


def test_hints_of_a_batch_are_rendered_one_by_one(nodes, torch, load, parse):
    photo = load("dressform/photo.jpg")
    parsing = parse("dressform", photo)[0] * 2
    hints, pose, _ = nodes.ProposeHints.execute(parsing=parsing, all_parts=False).args
    assert len(json.loads(hints)) == len(pose) == 2
    both = nodes.RenderHints.execute(hints=hints, image=torch.cat([photo] * 2), grow_px=0)[1]
    assert torch.equal(both[0], both[1])


def test_a_stance_moves_skeleton_and_strokes_alike(nodes, load, parse):
    parsing = parse("dressform", load("dressform/photo.jpg"))[0]

    def proposed(**options):
        hints, pose, _ = nodes.ProposeHints.execute(
            parsing=parsing, all_parts=False, **options
        ).args
        return json.loads(hints), pose[0]["people"][0]["pose_keypoints_2d"]

    document, joints = proposed(stance="walking", head_turn="left")
    flat = [value for joint in document["landmarks"] for value in joint]
    assert np.allclose(flat, joints, atol=0.01)
    assert proposed()[1] != joints
    with pytest.raises(ValueError, match="stance must be one of implied"):
        proposed(stance="sitting")


def test_a_batch_equals_single_calls(nodes, torch, load, parse):
    photos = [load("dressform/photo.jpg"), load("headless/photo.jpg")]
    together = nodes.ParsePhoto.execute(image=torch.cat(photos)).args
    for index, (name, photo) in enumerate(zip(("dressform", "headless"), photos, strict=True)):
        alone = parse(name, photo).args
        assert torch.equal(together[1][index], alone[1][0])
        assert torch.equal(together[2][index], alone[2][0])


def test_try_on_needs_no_garment_parsing(nodes, load, parse):
    photo, person = load("headless/photo.jpg"), load("person.jpg")
    parsed = parse("headless", photo)
    worn = try_on(nodes, person, photo, parsed, garment_parsing=None)[0]
    assert worn.shape == person.shape


def test_one_person_wears_every_garment_and_is_parsed_once(nodes, torch, load, parse, monkeypatch):
    from dressform.imaging import parse as parser

    calls = []
    original = parser.parse
    monkeypatch.setattr(parser, "parse", lambda image: calls.append(1) or original(image))
    photo, person = load("dressform/photo.jpg"), load("person.jpg")
    parsing, mask = parse("dressform", photo)[0], parse("dressform", photo)[1]
    worn = nodes.TryOn.execute(
        person=person,
        garment=torch.cat([photo, photo]),
        garment_mask=mask,
        engine="warp",
        region="auto",
        garment_parsing=parsing * 2,
    )[0]
    assert len(calls) == 1
    assert worn.shape[0] == 2
    assert torch.equal(worn[0], worn[1])


def test_hints_that_the_engine_ignores_are_not_ignored_in_silence(nodes, load, parse):
    photo, person = load("dressform/photo.jpg"), load("person.jpg")
    hints = nodes.ProposeHints.execute(parsing=parse("person", person)[0], all_parts=True)[0]
    plain = try_on(nodes, person, photo, parse("dressform", photo))
    hinted = try_on(nodes, person, photo, parse("dressform", photo), hints=hints)
    notice = "does not use the hints"
    assert notice in " ".join(hinted.ui["text"])
    assert notice not in " ".join(plain.ui.get("text", []))


def test_repaint_mask_limits_what_changes(nodes, torch, load, parse):
    photo, person = load("dressform/photo.jpg"), load("person.jpg")
    allowed = torch.zeros(person.shape[:3])
    allowed[:, 300:600, 200:500] = 1
    worn, repainted, _ = try_on(
        nodes, person, photo, parse("dressform", photo), repaint_mask=allowed
    ).args[:3]
    assert (repainted[allowed == 0] == 0).all()
    assert torch.equal(worn[allowed == 0], person[allowed == 0])
    assert not torch.equal(worn, person)


def test_a_pose_from_elsewhere_moves_the_garment(nodes, load, parse):
    photo, person = load("dressform/photo.jpg"), load("person.jpg")
    parsed = parse("dressform", photo)
    own = nodes.ProposeHints.execute(parsing=parse("person", person)[0], all_parts=False).args[1]
    lower = json.loads(json.dumps(own))
    flat = lower[0]["people"][0]["pose_keypoints_2d"]
    flat[1::3] = [y + 60 for y in flat[1::3]]

    def top(mask):
        return int(np.flatnonzero((mask[0] > 0.5).any(1).numpy())[0])

    at_body = top(try_on(nodes, person, photo, parsed, pose=own)[2])
    moved = top(try_on(nodes, person, photo, parsed, pose=lower)[2])
    assert 30 < moved - at_body < 90


def empty_parsing(size=(64, 48)):
    from dressform.imaging.parsing import Parsing

    return Parsing(np.zeros(size, np.uint8))


class TestMistakes:
    """Each gets a sentence that says what to do."""

    def test_a_plain_wall_is_no_garment(self, nodes, torch):
        parsing, garment, *_ = nodes.ParsePhoto.execute(image=torch.full((1, 64, 48, 3), 0.7)).args
        assert garment.sum() == 0
        assert parsing[0].confidence < 0.2
        assert parsing[0].warnings

    def test_one_pixel_is_no_garment(self, nodes, torch):
        garment = nodes.ParsePhoto.execute(image=torch.ones(1, 1, 1, 3))[1]
        assert garment.shape == (1, 1, 1)
        assert garment.sum() == 0

    def test_nothing_to_clean_up(self, nodes, torch):
        with pytest.raises(ValueError, match=r"garment.*\. .*\.$"):
            nodes.RemoveMannequin.execute(
                image=torch.ones(1, 64, 48, 3), parsing=[empty_parsing()], background="white"
            )

    def test_no_body_to_propose_hints_for(self, nodes):
        with pytest.raises(ValueError, match=r"garment.*\. .*\.$"):
            nodes.ProposeHints.execute(parsing=[empty_parsing()], all_parts=False)

    def test_empty_garment_mask(self, nodes, torch, load):
        photo = load("dressform/photo.jpg")
        with pytest.raises(ValueError, match="garment_mask must select the garment"):
            nodes.TryOn.execute(
                person=photo,
                garment=photo,
                garment_mask=torch.zeros(photo.shape[:3]),
                engine="warp",
                region="auto",
            )

    def test_parsing_of_another_photo(self, nodes, load, parse):
        photo = load("dressform/photo.jpg")
        with pytest.raises(ValueError, match=r"parsing must be 512x384 like image, got 1024x768"):
            nodes.RemoveMannequin.execute(
                image=photo[:, ::2, ::2],
                parsing=parse("dressform", photo)[0],
                background="white",
            )

    def test_batches_of_different_counts(self, nodes, torch, load, parse):
        photo, person = load("dressform/photo.jpg"), load("person.jpg")
        parsed = parse("dressform", photo)
        with pytest.raises(ValueError, match="person and garment must have the same batch size"):
            nodes.TryOn.execute(
                person=torch.cat([person] * 3),
                garment=torch.cat([photo] * 2),
                garment_mask=parsed[1],
                engine="warp",
                region="auto",
            )

    @pytest.mark.parametrize(
        "hints", ["", "not json", "[]", "[1]", "[" * 100_000, '{"version": 99}'], ids=range(6)
    )
    def test_hints_that_are_no_stroke_document(self, nodes, load, hints):
        refused = nodes.RenderHints.execute(hints=hints, image=load("person.jpg"), grow_px=0)
        assert re.search(r"hints|strokes", refused.block_execution)

    @pytest.mark.parametrize("people", [[], [{"pose_keypoints_2d": [1, 2]}], [{}]])
    def test_pose_without_a_person(self, nodes, load, parse, people):
        photo = load("dressform/photo.jpg")
        frame = {"canvas_height": 10, "canvas_width": 10, "people": people}
        with pytest.raises(ValueError, match="pose must hold one person with 18 body keypoints"):
            try_on(nodes, photo, photo, parse("dressform", photo), pose=[frame])
