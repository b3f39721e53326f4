"""What reaches a customer while a run goes on and after it, and a worker before its heartbeat."""

import io
import json
import time

import pytest
from dressform.worker import attempt, previews, texts
from dressform.worker import shift as shift_module
from PIL import Image


def test_texts_of_output_nodes_are_put_out(play, work, one_node):
    async def act(server, shift):
        server.add(work(0.1, **{"4": one_node("Tell", text="Use a larger photo.")}))
        await server.until(lambda: server.ended)

    server, _ = play(act)
    [end] = server.ended["r1"]
    told = {"node": "4", "name": "text_01_.txt", "type": "text", "text": "Use a larger photo."}
    assert told in end["outputs"]


def test_texts_are_cut_and_those_of_other_nodes_left_out():
    long = "ü" * texts.MAX_BYTES
    told = {"1": {"text": ["a", "a", " ", 3]}, "2": {"text": ["b"]}, "3": {"text": [long]}}
    found = texts.gather({"outputs": told}, {"1", "3"})
    assert [(one["node"], len(one["text"])) for one in found] == [
        ("1", 1),
        ("3", texts.MAX_BYTES // 2),
    ]
    assert len({one["name"] for one in found}) == 2  # who saves them by name loses none


def test_texts_leave_room_for_files_and_fit_into_a_call_together():
    told = {"outputs": {"1": {"text": [f"{n}" + "\1" * texts.MAX_BYTES for n in range(30)]}}}
    found = texts.gather(told, {"1"})
    assert len(json.dumps(found)) <= texts.MAX_TOTAL_BYTES + 1000
    assert len(found) == 10  # each letter takes six in JSON
    assert len(texts.gather(told, {"1"}, 2)) == 2
    assert texts.gather(told, {"1"}, 0) == []


def test_previews_are_shown_at_most_once_a_period(play, work, monkeypatch):
    monkeypatch.setattr(previews, "PERIOD_S", 0.5)

    async def act(server, shift):
        begun = time.monotonic()
        server.add(work(2.0))
        await server.until(lambda: server.ended)
        most = (time.monotonic() - begun) / 0.5 + 1
        assert 2 <= len(server.previews) <= most  # of 40 that there were

    server, _ = play(act)
    assert {node for node, _ in server.previews} == {"2"}
    assert all(data.startswith(previews.JPEG) for _, data in server.previews)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_preview_is_made_to_fit(kind):
    made = io.BytesIO()
    Image.effect_noise((1024, 768), 90).save(
        made, kind, **({"quality": 100} if kind == "JPEG" else {})
    )
    assert len(made.getvalue()) > previews.MAX_BYTES
    fitted = previews.fitted(made.getvalue())
    assert fitted.startswith(previews.JPEG)
    assert len(fitted) <= previews.MAX_BYTES
    assert max(Image.open(io.BytesIO(fitted)).size) == previews.SIDE_PX


def test_what_is_no_picture_is_no_preview():
    with pytest.raises(OSError, match="cannot identify"):
        previews.fitted(b"GIF89a and not shown")


def test_cancel_is_heard_before_the_next_heartbeat(play, work, monkeypatch):
    monkeypatch.setattr(attempt, "LISTEN_AFTER_S", 0.0)
    monkeypatch.setattr(shift_module, "HEARTBEAT_S", 60.0)

    async def act(server, shift):
        server.add(work(20))
        await server.until(lambda: server.bodies("wait"))
        server.said, asked = "cancel", time.monotonic()
        await server.until(lambda: server.ended)
        assert time.monotonic() - asked < 15  # a heartbeat is 60 s away

    server, _ = play(act, heartbeat_s=60.0, lease_s=300.0)
    assert [one["end"] for one in server.ended["r1"]] == ["complete"]
    assert server.ended["r1"][0]["outputs"] == []


def test_input_is_asked_for_again_while_the_store_is_away(play, one_node, work):
    async def act(server, shift):
        picture = io.BytesIO()
        Image.new("RGB", (4, 4)).save(picture, "PNG")
        server.faults["file"] = [503, 503]
        graph = work(0.1, **{"1": one_node("Read", image="a.png")})
        server.add(graph, inputs=[("a.png", picture.getvalue())])
        await server.until(lambda: server.ended)

    server, _ = play(act, lease_s=30.0)
    assert [one["end"] for one in server.ended["r1"]] == ["complete"]
    assert server.words().count("file") == 3


def test_store_that_stays_away_ends_the_attempt_and_the_next_one_is_made(play, work, monkeypatch):
    monkeypatch.setattr(attempt, "UPLOAD_S", 0.5)

    async def act(server, shift):
        server.faults["output"] = [503] * 100
        server.add(work(0.1), run="r1")
        await server.until(lambda: server.ended)
        server.faults["output"] = []
        server.add(work(0.1), run="r2")
        await server.until(lambda: len(server.ended) == 2)

    server, _ = play(act, lease_s=30.0)
    (first,), (second,) = server.ended["r1"], server.ended["r2"]
    assert (first["end"], first["fault"], first["code"]) == ("fail", "worker", "store_away")
    assert second["end"] == "complete"
    assert len(server.assets) == 1
