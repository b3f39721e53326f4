"""Attacks of files that come with a run: weights and pictures (billing.md, 6.A: 7, 11, 14)."""

import hashlib
import io
import json
import struct

import pytest
from dressform.worker import inputs, protocol, weights
from PIL import Image


def pickle_file(path):
    path.write_bytes(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nq\x00.")


def head_of(path, head, body=b""):
    text = json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def tensor(begin, end, shape=(2,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def test_attack_7_pickle_is_no_safetensors(tmp_path):
    path = tmp_path / "a.safetensors"
    pickle_file(path)
    with pytest.raises(protocol.WorkflowError, match="must be a whole safetensors file"):
        weights.scan(path)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ({"a": tensor(0, 8)}, b"1234"),
        ({"a": tensor(0, 8)}, b"12345678 and a program"),
        ({"a": tensor(0, 8), "b": tensor(4, 12)}, b"x" * 12),
        ({"a": tensor(4, 12)}, b"x" * 12),
        ({"a": tensor(0, 8, shape=(3,))}, b"x" * 8),
        ({"a": tensor(0, 8, dtype="OBJECT")}, b"x" * 8),
        ({"a": tensor(0, 8, shape=(-1, -2))}, b"x" * 8),
        ({"a": tensor(0, 8, shape=(2.0,))}, b"x" * 8),
        ({"a": tensor(0, 8) | {"code": "import os"}}, b"x" * 8),
        ({"__metadata__": {"a": ["x"]}}, b""),
        ({"a": "x"}, b""),
        (["a"], b""),
        ({"a": tensor(0, 0, shape=(2**40, 2**40, 0))}, b"x"),
    ],
    ids=range(13),
)
def test_attack_7_head_that_lies_is_refused(tmp_path, head, body):
    head_of(tmp_path / "a", head, body)
    with pytest.raises(protocol.WorkflowError, match="must be a whole safetensors file"):
        weights.scan(tmp_path / "a")


def test_good_safetensors_file_passes(tmp_path):
    head = {
        "__metadata__": {"a": "b"},
        "b": tensor(8, 12, shape=(), dtype="F32"),
        "a": tensor(0, 8),
    }
    head_of(tmp_path / "a", head, b"x" * 12)
    assert weights.scan(tmp_path / "a") == head
    head_of(tmp_path / "a", {})
    assert weights.scan(tmp_path / "a") == {}


@pytest.mark.parametrize("length", [0, 1, 2**40, 2**63, 101])
def test_attack_7_head_of_an_impossible_length_is_refused(tmp_path, length):
    (tmp_path / "a").write_bytes(struct.pack("<Q", length) + b"{}" + b" " * 98)
    with pytest.raises(protocol.WorkflowError, match="must be a whole safetensors file"):
        weights.scan(tmp_path / "a")


def bomb(kind, size=(20_000, 20_000)):
    stream = io.BytesIO()
    Image.new("1", size).save(stream, kind)
    return stream.getvalue()


def frames(count, size=(2000, 2000)):
    stream = io.BytesIO()
    pictures = [Image.new("P", size, color=number % 2) for number in range(count)]
    pictures[0].save(stream, "GIF", save_all=True, append_images=pictures[1:])
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_attack_11_picture_that_would_unpack_to_too_much_is_refused(tmp_path, kind):
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(kind))
    assert path.stat().st_size < 60_000_000
    with pytest.raises(protocol.WorkflowError, match="pixels at most") as caught:
        inputs.check(path)
    assert caught.value.code == "input_size"


def test_attack_11_frames_count_together(tmp_path):
    path = tmp_path / "many.gif"
    path.write_bytes(frames(40))
    with pytest.raises(protocol.WorkflowError, match="2000x2000 in 40 frames"):
        inputs.check(path)


@pytest.mark.parametrize(
    "content",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<!doctype html><script>alert(1)</script>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"PK\x03\x04 a zip",
        b"\x89PNG\r\n\x1a\n",
        b"",
        b"\x00" * 64,
    ],
    ids=["svg", "html", "eps", "zip", "half", "empty", "zeros"],
)
def test_attack_11_other_kinds_of_files_are_refused(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(protocol.WorkflowError, match="must be a picture") as caught:
        inputs.check(path)
    assert caught.value.code == "input_kind"


def test_attack_11_pickle_as_a_latent_is_refused(tmp_path):
    pickle_file(tmp_path / "a.latent")
    with pytest.raises(protocol.WorkflowError, match="safetensors"):
        inputs.check(tmp_path / "a.latent")


@pytest.mark.parametrize("kind", inputs.PICTURES)
def test_usual_pictures_pass(tmp_path, kind):
    Image.new("RGB", (64, 48)).save(tmp_path / "a", kind)
    inputs.check(tmp_path / "a")


def test_attack_11_bomb_ends_the_run_and_nothing_of_it_reaches_comfyui(play, one_node, left):
    async def act(server, shift):
        server.add({"1": one_node("Read", image="a.png")}, inputs=[("a.png", bomb("PNG"))])
        await server.until(lambda: shift.ends)
        assert not left()

    server, _ = play(act)
    [end] = server.ended["r1"]
    assert (end["fault"], end["code"], end["gpu_ms"]) == ("workflow", "input_size", 0)


def test_attack_14_weights_of_one_tenant_are_not_seen_by_another(play, one_node):
    head = json.dumps({"a": tensor(0, 8)}).encode()
    data = struct.pack("<Q", len(head)) + head + b"12345678"
    model = ("loras", "mine.safetensors", data, hashlib.sha256(data).hexdigest())
    load = {"1": one_node("Weights", name="loras/mine.safetensors", seconds=0.05)}

    async def act(server, shift):
        server.add(load, "r1", models=[model], tenant="a")
        server.add(load, "r2", tenant="b")
        server.add(load, "r3", models=[model], tenant="a")
        await server.until(lambda: len(server.ended) == 3)
        models = shift.child.base / "models"
        await server.until(lambda: not list(models.rglob("*.safetensors")))
        await server.until(lambda: server.words()[-1] == "lease")

    server, _ = play(act)
    assert [server.ended[run][0]["end"] for run in ("r1", "r2", "r3")] == [
        "complete",
        "fail",
        "complete",
    ]
    assert server.words().count("file") == 1  # the second time it was there already
    assert model[3] in server.bodies("lease")[-1]["resident"]
