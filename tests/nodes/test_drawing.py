"""Draw Hints: which strokes go on, what the canvas is told, and what is refused."""

import json

import numpy as np
import pytest
from dressform.imaging import labels, pose, strokes
from dressform.imaging.parsing import Parsing

HEIGHT, WIDTH = 160, 120


@pytest.fixture(scope="module")
def torch(nodes):
    import torch

    return torch


@pytest.fixture(scope="module")
def photo(torch):
    """A blue dress on a pale dress form before a grey wall, small."""
    picture = torch.full((1, HEIGHT, WIDTH, 3), 0.8)
    picture[:, 30:130, 35:85] = torch.tensor([0.2, 0.3, 0.6])
    picture[:, 15:30, 52:68] = torch.tensor([0.9, 0.85, 0.8])
    return picture


@pytest.fixture(scope="module")
def other(torch, photo):
    """The same dress 20 pixels to the right."""
    return torch.roll(photo, 20, dims=2)


def parsing(left=35):
    label_map = np.zeros((HEIGHT, WIDTH), np.uint8)
    label_map[30:130, left : left + 50] = labels.GARMENT
    label_map[15:30, left + 17 : left + 33] = labels.MANNEQUIN
    return Parsing(label_map, kind="dressform", region="dress", confidence=0.9)


@pytest.fixture(scope="module")
def fingerprint(tensors):
    return lambda image: strokes.fingerprint(tensors.to_pictures(image, "image")[0])


def document(photo="", *, role="head", points=((60, 10, 1), (70, 12, 0.5)), **more):
    line = strokes.stroke(role, np.array(points), 2, closed=False)
    return strokes.StrokeDocument(WIDTH, HEIGHT, photo, (line,), **more)


def draw(nodes, image, drawn="", rule="stop", **more):
    text = drawn if isinstance(drawn, str) else strokes.to_json(drawn)
    return nodes.DrawHints.execute(image=image, strokes=text, when_photo_changes=rule, **more)


def told(output):
    (entry,) = output.ui["dressform_hints"]
    return entry


class TestOwnPhoto:
    def test_what_was_drawn_goes_on_exactly(self, nodes, photo, fingerprint):
        mine = document(fingerprint(photo))
        output = draw(nodes, photo, mine, proposal=strokes.to_json(document(role="hair")))
        assert strokes.from_json(output[0]) == mine
        assert told(output)["status"] == "drawn"
        assert "text" not in output.ui

    def test_strokes_of_an_unknown_photo_are_taken_for_this_one(self, nodes, photo):
        assert strokes.from_json(draw(nodes, photo, document())[0]) == document()

    def test_an_untouched_canvas_gives_the_proposal(self, nodes, photo, fingerprint):
        proposal = document(fingerprint(photo), role="hair")
        output = draw(nodes, photo, " ", proposal=strokes.to_json(proposal))
        assert strokes.from_json(output[0]) == proposal
        assert told(output)["status"] == "proposal"
        assert told(output)["proposal"]["strokes"][0]["role"] == "hair"

    def test_nothing_drawn_and_nothing_proposed_is_an_empty_document(
        self, nodes, photo, fingerprint
    ):
        output = draw(nodes, photo)
        empty = strokes.StrokeDocument(WIDTH, HEIGHT, fingerprint(photo))
        assert strokes.from_json(output[0]) == empty
        assert told(output)["status"] == "empty"
        assert told(output)["proposal"] is None

    @pytest.mark.parametrize("of", ["", "00ff"], ids=["unknown", "another"])
    def test_a_cleared_canvas_stays_empty(self, nodes, photo, of):
        cleared = document(of)._replace(strokes=())
        output = draw(nodes, photo, cleared, proposal=strokes.to_json(document()))
        assert strokes.from_json(output[0]).strokes == ()
        assert told(output)["status"] == "empty"

    def test_the_canvas_is_told_where_the_photo_lies(self, nodes, photo, fingerprint):
        import folder_paths

        entry = told(draw(nodes, photo))
        assert (entry["width"], entry["height"]) == (WIDTH, HEIGHT)
        assert entry["fingerprint"] == fingerprint(photo)
        assert entry["photo"]["type"] == "temp"
        assert folder_paths.exists_annotated_filepath(
            f"{entry['photo']['subfolder']}{entry['photo']['filename']} [temp]"
        )
        json.dumps(entry)

    def test_a_large_photo_is_shown_smaller(self, nodes, torch):
        import folder_paths
        from PIL import Image

        entry = told(draw(nodes, torch.zeros(1, 30, 4096, 3)))
        assert (entry["width"], entry["height"]) == (4096, 30)
        path = folder_paths.get_annotated_filepath(f"{entry['photo']['filename']} [temp]")
        with Image.open(path) as shown:
            assert shown.size == (2048, 15)


class TestAnotherPhoto:
    @pytest.fixture
    def mine(self, photo, fingerprint):
        from dressform.imaging import body

        joints = strokes.landmarks(body.locate(parsing()))
        return document(fingerprint(photo), landmarks=joints)

    def test_stop_ends_the_run_with_what_to_choose(self, nodes, other, mine, fingerprint):
        output = draw(nodes, other, mine, "stop")
        assert "Choose refit, keep or clear" in output.block_execution
        assert "另一张照片" in output.block_execution
        assert output.ui["text"] == [output.block_execution]
        assert told(output)["status"] == "stopped"
        assert told(output)["fingerprint"] == fingerprint(other)

    def test_keep_keeps_and_says_so(self, nodes, other, mine, fingerprint):
        output = draw(nodes, other, mine, "keep")
        kept = strokes.from_json(output[0])
        assert kept == mine._replace(photo=fingerprint(other))
        assert told(output)["status"] == "kept"
        assert "kept" in output.ui["text"][0]

    def test_keep_scales_to_a_photo_of_another_size(self, nodes, torch, mine):
        output = draw(nodes, torch.zeros(1, 2 * HEIGHT, 2 * WIDTH, 3), mine, "keep")
        assert strokes.from_json(output[0]).strokes[0].points[0] == (120.5, 20.5, 1.0)

    def test_clear_clears_and_says_so(self, nodes, other, mine):
        output = draw(nodes, other, mine, "clear")
        assert strokes.from_json(output[0]).strokes == ()
        assert told(output)["status"] == "cleared"
        assert "cleared" in output.ui["text"][0]

    def test_refit_moves_the_strokes_and_says_so(self, nodes, other, mine, fingerprint):
        output = draw(nodes, other, mine, "refit", parsing=[parsing(left=55)])
        found = strokes.from_json(output[0])
        assert found.photo == fingerprint(other)
        shift = np.array(found.strokes[0].points) - np.array(mine.strokes[0].points)
        assert shift[:, 0] == pytest.approx(20, abs=3)
        assert shift[:, 1] == pytest.approx(0, abs=3)
        assert told(output)["status"] == "refitted"
        assert output.ui["text"][0].startswith("The strokes belong to another photo and were fit")
        assert len(found.landmarks) == len(pose.NAMES)

    def test_refit_parses_the_photo_where_no_parsing_is_connected(
        self, nodes, other, mine, monkeypatch
    ):
        from dressform.imaging import parse

        asked = []
        monkeypatch.setattr(parse, "parse", lambda image: asked.append(1) or parsing(left=55))
        assert told(draw(nodes, other, mine, "refit"))["status"] == "refitted"
        assert asked == [1]

    def test_refit_without_landmarks_says_that_it_only_scaled(self, nodes, other, mine):
        bare = mine._replace(landmarks=())
        output = draw(nodes, other, bare, "refit", parsing=[parsing(left=55)])
        assert "only scaled" in output.ui["text"][0]

    def test_refit_where_nothing_is_found_stops(self, nodes, other, mine):
        nothing = Parsing(np.zeros((HEIGHT, WIDTH), np.uint8))
        output = draw(nodes, other, mine, "refit", parsing=[nothing])
        assert "got a photo with neither" in output.block_execution

    def test_refit_needs_the_parsing_of_this_photo(self, nodes, other, mine):
        small = Parsing(np.ones((8, 8), np.uint8))
        with pytest.raises(ValueError, match="parsing must be 160x120 like image, got 8x8"):
            draw(nodes, other, mine, "refit", parsing=[small])

    def test_a_proposal_for_another_photo_is_not_used_in_silence(self, nodes, other, mine):
        output = draw(nodes, other, proposal=strokes.to_json(mine))
        assert told(output)["status"] == "stopped"

    def test_each_picture_of_a_batch_is_judged_on_its_own(self, nodes, torch, photo, other, mine):
        both = torch.cat([photo, other])
        output = draw(nodes, both, mine, "refit", parsing=[parsing(), parsing(left=55)])
        first, second = (strokes.from_json(json.dumps(d)) for d in json.loads(output[0]))
        assert first == mine
        assert second.strokes[0].points[0][0] == pytest.approx(80, abs=3)
        assert [e["status"] for e in output.ui["dressform_hints"]] == ["drawn", "refitted"]
        assert len({e["photo"]["filename"] for e in output.ui["dressform_hints"]}) == 2

    def test_a_batch_with_the_own_photo_tells_where_the_body_was(
        self, nodes, torch, photo, other, mine
    ):
        bare = mine._replace(landmarks=())
        both = torch.cat([photo, other])
        output = draw(nodes, both, bare, "refit", parsing=[parsing(), parsing(left=55)])
        second = strokes.from_json(json.dumps(json.loads(output[0])[1]))
        assert second.strokes[0].points[0][0] == pytest.approx(80, abs=3)
        assert "only scaled" not in output.ui["text"][0]


class TestRefusals:
    def test_good_text_is_let_through(self, nodes):
        validate = nodes.DrawHints.validate_inputs
        assert validate(strokes="") is validate(strokes=strokes.to_json(document())) is True
        assert validate() is True

    @pytest.mark.parametrize("text", ["{", "null", "[]", '{"version": 2}', "[" * 100_000])
    def test_malformed_text_is_refused_in_both_languages(self, nodes, text):
        sentence = nodes.DrawHints.validate_inputs(strokes=text)
        assert "must be" in sentence or "must have" in sentence
        assert sentence.endswith("笔画文档无效,请重新绘制,或清空后重画。")
        assert len(sentence) < 600

    def test_more_than_two_megabytes_are_refused_in_both_languages(self, nodes):
        sentence = nodes.DrawHints.validate_inputs(strokes=" " * 2_000_001)
        assert sentence is True  # nothing but blanks is an untouched canvas
        sentence = nodes.DrawHints.validate_inputs(strokes="{" + " " * 2_000_000)
        assert "at most 2000000 bytes, got 2000001. Draw fewer strokes." in sentence
        assert sentence.endswith("笔画文档最多 2000000 字节,请减少笔画,或清空后重画。")

    def test_a_malformed_proposal_ends_the_branch_with_a_sentence(self, nodes, photo):
        output = draw(nodes, photo, proposal='{"version": 1}')
        assert "strokes must be an object with version" in output.block_execution
        assert output.ui["text"] == [output.block_execution]

    def test_a_photo_too_large_for_a_document_is_refused(self, nodes, torch):
        with pytest.raises(ValueError, match="at most 16384 pixels a side, got 1x16385"):
            draw(nodes, torch.zeros(1, 1, 16385, 3))

    def test_a_single_pixel_is_a_photo(self, nodes, torch):
        assert strokes.from_json(draw(nodes, torch.zeros(1, 1, 1, 3))[0]).width == 1

    def test_a_thousand_malformed_texts_are_refused_with_a_sentence(self, nodes, malformed):
        answers = [nodes.DrawHints.validate_inputs(strokes=text) for text in malformed]
        sentences = [answer for answer in answers if answer is not True]
        assert len(sentences) >= 1000
        for sentence in sentences:
            assert " must " in sentence
            assert sentence.endswith("重画。")
            assert len(sentence) < 600
            assert sentence.isprintable()

    def test_a_batch_of_documents_is_bounded(self, nodes):
        from dressform.nodes import documents

        one = strokes.to_json(document())
        assert len(documents.read(documents.join([one] * 3), "hints")) == 3
        with pytest.raises(ValueError, match="a list of 1 to 256 of them"):
            documents.read(documents.join([one] * 257), "hints")
        with pytest.raises(ValueError, match="a list that cannot be read"):
            documents.read("[" + " " * documents.MAX_BATCH_BYTES + "0,0]", "hints")
        with pytest.raises(ValueError, match="hints, document 1: stroke 0: role must be"):
            documents.read(documents.join([one, one.replace("head", "tail")]), "hints")
        with pytest.raises(ValueError, match="strokes must be text, got list"):
            documents.read([one], "hints")
