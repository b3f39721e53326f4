"""Attacks on the worker, by their numbers in billing.md, 6.A (7, 11, 14: test_attacks_files.py)."""

import asyncio
import logging
import os

import pytest
from dressform.worker import child, outputs, protocol, screen

SCHEMAS = {
    "LoadImage": {"input": {"required": {"image": ["COMBO", {"image_upload": True}]}}},
    "LoadLatent": {"input": {"required": {"latent": [[]]}}},
    "LoadLora": {"input": {"required": {"lora_name": ["COMBO", {"options": []}]}}},
    "Pick": {
        "input": {
            "required": {
                "way": [
                    "COMFY_DYNAMICCOMBO_V3",
                    {
                        "options": [
                            {
                                "key": "file",
                                "inputs": {
                                    "required": {"image": ["COMBO", {"image_upload": True}]}
                                },
                            }
                        ]
                    },
                ]
            }
        }
    },
    "Save": {"input": {"required": {"images": ["IMAGE", {}]}}, "output_node": True},
}
PATHS = [
    "../secret.png",
    "/etc/passwd",
    "..\\secret.png",
    "%2e%2e%2fsecret.png",
    "a.png\0.txt",
    "//host/share/a.png",
    "sub/a.png",
    "",
    ["a.png"],
    {"image": "a.png"},
    0,
    None,
]
ANNOTATED = [
    "a.png [output]",
    "a.png [temp]",
    "a.png [input]",
    "b.png [output]",
    "a.png [output] [temp]",
]


def node(class_type, /, **given):
    return {"1": {"class_type": class_type, "inputs": given}}


@pytest.mark.parametrize("value", PATHS, ids=repr)
def test_attack_4_no_path_reaches_a_file_input(value):
    for workflow in (
        node("LoadImage", image=value),
        node("LoadLatent", latent=value),
        node("Pick", **{"way": "file", "way.image": value}),
    ):
        with pytest.raises(protocol.WorkflowError, match="must be a file that came with the run"):
            screen.prepare(workflow, SCHEMAS, {"a.png"}, again=False)


@pytest.mark.parametrize("value", ANNOTATED)
def test_attack_5_no_annotated_name_reaches_a_file_input(value):
    with pytest.raises(protocol.WorkflowError) as caught:
        screen.prepare(node("LoadImage", image=value), SCHEMAS, {"a.png"}, again=False)
    assert (caught.value.code, caught.value.node) == ("file_input", "1")


def test_file_that_came_with_the_run_passes():
    prompt = screen.prepare(node("LoadImage", image="a.png"), SCHEMAS, {"a.png"}, again=True)
    assert prompt == node("LoadImage", image="a.png")
    lora = node("LoadLora", lora_name="mine.safetensors")
    with pytest.raises(protocol.WorkflowError):
        screen.prepare(lora, SCHEMAS, {"a.png"}, again=False)
    weights = {"mine.safetensors"}
    assert screen.prepare(lora, SCHEMAS, {"a.png"}, weights=weights, again=False) == lora


def test_node_that_is_not_here_is_the_worker_s_fault():
    with pytest.raises(protocol.WorkerError, match="must be known here, got 'Other'"):
        screen.prepare(node("Other"), SCHEMAS, (), again=False)


@pytest.mark.parametrize(
    "told", [None, [], {}, {"class_type": 3}, {"class_type": "Save", "inputs": 3}]
)
def test_node_of_no_shape_is_the_workflow_s_fault(told):
    with pytest.raises(protocol.WorkflowError, match="must have a class_type"):
        screen.prepare({"1": told}, SCHEMAS, (), again=False)


@pytest.mark.parametrize(
    "name",
    [
        *("../a.png", "a/b.png", "a\\b.png", "a\0.png", "", ".", "..", "a.png.", " a.png", ".a"),
        *("nul.png", "a.png [output]", "c:a.png", "x" * 256, "a\n.png", "LPT1"),
    ],
    ids=ascii,
)
def test_attack_4_no_input_of_a_lease_leaves_its_folder(name):
    with pytest.raises(protocol.WorkflowError, match="must be one plain name"):
        protocol.require_plain(name)


@pytest.mark.parametrize("name", ["a.png", "ünï code 中.png", "nullable.png", "a (1).png"])
def test_plain_names_pass(name):
    assert protocol.require_plain(name) == name


@pytest.mark.parametrize("file", ["../up.png", "/etc/passwd", "a/../../up.png", "sub", "gone.png"])
def test_attack_6_nothing_is_taken_from_outside_the_output_folder(tmp_path, file):
    (tmp_path / "output" / "sub").mkdir(parents=True)
    (tmp_path / "up.png").write_bytes(b"secret")
    history = {"outputs": {"1": {"images": [{"filename": file, "type": "output"}]}}}
    with pytest.raises((protocol.WorkflowError, protocol.WorkerError)):
        outputs.gather(history, tmp_path)


@pytest.mark.parametrize("kind", ["models", "custom_nodes", "..", "user"])
def test_attack_6_only_two_folders_put_out(tmp_path, kind):
    (tmp_path / kind).mkdir(exist_ok=True)
    (tmp_path / kind / "a.png").write_bytes(b"secret")
    history = {"outputs": {"1": {"images": [{"filename": "a.png", "type": kind}]}}}
    with pytest.raises(protocol.WorkflowError, match="must lie in the run's own folder"):
        outputs.gather(history, tmp_path)


@pytest.mark.parametrize("deep", [False, True], ids=["file", "folder"])
def test_attack_6_no_link_is_followed(tmp_path, deep):
    (tmp_path / "output").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.png").write_bytes(b"secret")
    if deep:
        (tmp_path / "output" / "sub").symlink_to(tmp_path / "elsewhere")
    else:
        (tmp_path / "output" / "a.png").symlink_to(tmp_path / "elsewhere" / "a.png")
    entry = {"filename": "a.png", "subfolder": "sub" if deep else "", "type": "output"}
    with pytest.raises(protocol.WorkflowError, match="must lie in the run's own folder"):
        outputs.gather({"outputs": {"1": {"images": [entry]}}}, tmp_path)


def test_output_that_the_server_would_refuse_is_the_workflow_s_fault(tmp_path):
    (tmp_path / "output").mkdir()
    with (tmp_path / "output" / "a.mp4").open("wb") as file:
        file.truncate(outputs.MAX_BYTES + 1)  # a hole, which takes no room
    history = {"outputs": {"7": {"images": [{"filename": "a.mp4", "type": "output"}]}}}
    with pytest.raises(protocol.WorkflowError, match="must have 536870912 bytes") as caught:
        outputs.gather(history, tmp_path)
    assert (caught.value.code, caught.value.node) == ("output_size", "7")


def test_attack_6_folder_that_became_a_link_puts_nothing_out(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.png").write_bytes(b"secret")
    (tmp_path / "output").symlink_to(tmp_path / "elsewhere")
    history = {"outputs": {"1": {"images": [{"filename": "a.png", "type": "output"}]}}}
    with pytest.raises(protocol.WorkflowError, match="must lie in the run's own folder"):
        outputs.gather(history, tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="a run there is not closed in.")
@pytest.mark.parametrize("place", ["output", "output/a", "output/a/b", "output/a/b/c.png"])
def test_attack_6_link_that_takes_the_place_of_an_output_is_not_followed(tmp_path, place):
    base, stolen = tmp_path / "base", tmp_path / "stolen"
    for folder in (base / "output", stolen / "output"):
        (folder / "a" / "b").mkdir(parents=True)
        (folder / "a" / "b" / "c.png").write_bytes(folder.parent.name.encode())
    entry = {"filename": "c.png", "subfolder": "x/../a/b", "type": "output"}
    [file] = outputs.gather({"outputs": {"1": {"images": [entry]}}}, base)
    with file.open() as stream:
        assert stream.read() == b"base"
    (base / place).rename(base / "moved")
    (base / place).symlink_to(stolen / place)
    with pytest.raises(protocol.WorkerError, match="must be there"):
        file.open()


def test_attack_15_folder_that_became_a_link_is_not_wiped(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").write_bytes(b"x")
    (tmp_path / "input").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotADirectoryError):
        child.empty(tmp_path / "input")
    assert (tmp_path / "elsewhere" / "kept").exists()


def test_attack_6_link_in_the_output_folder_fails_the_run(play, one_node, data):
    async def act(server, shift):
        server.add({"1": one_node("Link", to="/etc/hostname")})
        await server.until(lambda: server.ended)

    server, _ = play(act)
    [end] = server.ended["r1"]
    assert (end["fault"], end["code"]) == ("workflow", "output_place")
    assert server.assets == {}


def test_outputs_are_listed_once_with_their_folder(tmp_path):
    (tmp_path / "output" / "sub").mkdir(parents=True)
    (tmp_path / "output" / "sub" / "a.png").write_bytes(b"x")
    entry = {"filename": "a.png", "subfolder": "sub", "type": "output"}
    shown = {"filename": "in.png", "type": "input"}
    history = {"outputs": {"1": {"images": [entry, entry, shown], "text": ["a"], "n": 1}}}
    [file] = outputs.gather(history, tmp_path)
    assert (file.node, file.name, file.type) == ("1", "sub/a.png", "output")


def test_attack_12_no_key_reaches_comfyui(play, work):
    """Neither the worker's nor one that a workflow carries; the stand-in saves what it sees."""
    workflow = work(0.1)
    workflow["3"]["inputs"]["api_key_comfy_org"] = "comfy-secret"
    workflow["3"]["extra_data"] = {"auth_token_comfy_org": "token-secret"}
    workflow["3"]["_meta"] = {"title": "x", "api_key_comfy_org": "meta-secret"}

    async def act(server, shift):
        server.add(workflow)
        await server.until(lambda: server.ended)

    server, _ = play(act)
    assert server.ended["r1"][0]["end"] == "complete"
    [seen] = server.assets.values()
    for secret in (b"df_worker", b"secret"):
        assert secret not in seen


def test_attack_12_environment_of_the_child_is_its_own(tmp_path, monkeypatch):
    for name in ("DRESSFORM_WORKER_KEY", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "STRIPE_SECRET_KEY"):
        monkeypatch.setenv(name, "secret")
    told = child.surroundings(tmp_path)
    assert "secret" not in told.values()
    assert told["HOME"] == str(tmp_path)
    assert told["PATH"]


def test_attack_13_no_text_of_a_workflow_is_logged(play, work, one_node, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    said = []
    workflow = work(0.1, text="a private wish")
    failing = {"1": one_node("Raise", text="another private wish", kind="ValueError")}

    async def act(server, shift):
        shift._say = said.append
        server.add(workflow, "r1")
        server.add(failing, "r2")
        await server.until(lambda: len(server.ended) == 2)

    play(act)
    written = capfd.readouterr()
    told = "\n".join([*said, caplog.text, written.out, written.err])
    assert "r1" in told
    assert "private" not in told


def test_attack_15_nothing_of_a_run_is_there_for_the_next(play, work, one_node, left):
    """Same name, same prefix, another tenant: the folders are empty, whoever writes there."""
    seen = {}

    async def act(server, shift):
        server.add(work(0.1), "r1", tenant="a")
        await server.until(lambda: "r1" in server.ended)
        await server.until(lambda: not left())
        show = {"1": one_node("Show", file="picture_00001_.png", type="output")}
        server.add(show, "r2", tenant="b")
        server.add(show, "r3", tenant="a")
        await server.until(lambda: len(server.ended) == 3)
        seen["left"] = left()

    server, _ = play(act)
    for run in ("r2", "r3"):
        assert server.ended[run][0]["code"] == "output_lost"
    assert seen["left"] == []


def test_worker_b_child_listens_on_loopback_with_no_manager(play):
    async def act(server, shift):
        await server.until(lambda: server.hellos)
        arguments = shift.child.system["system"]["argv"]
        assert arguments[arguments.index("--listen") + 1] == "127.0.0.1"
        assert "--disable-api-nodes" in arguments
        assert not [word for word in arguments if "manager" in word]
        assert list((shift.child.base / "custom_nodes").iterdir()) == []

    play(act)


@pytest.mark.parametrize(
    "url", ["http://example.com", "ftp://example.com", "example.com", "http://127.0.0.1.evil.com"]
)
def test_key_goes_nowhere_in_clear(options, url):
    from dressform.worker.shift import Shift

    async def start():
        await Shift(options(url)).work()

    with pytest.raises(ValueError, match="must begin with https://"):
        asyncio.run(start())
