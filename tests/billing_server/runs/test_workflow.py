"""Workflows of strangers: what of them is refused, by the number of the attack."""

import json
import sys
from pathlib import Path

import pytest
from dressform.billing_server.runs import workflow
from dressform.billing_server.runs.policy import Policy
from dressform.billing_server.runs.values import RunError

sys.path.append(str(Path(__file__).parent))  # runs_*.py are modules of no package
from runs_given import CLASSES, graph


def refused(flow, code="invalid_workflow"):
    with pytest.raises(RunError) as caught:
        workflow.check(flow)
    assert caught.value.code == code
    assert str(caught.value).endswith(".")
    return str(caught.value)


def node(class_type, **inputs):
    return {"1": {"class_type": class_type, "inputs": inputs}}


def asset(id_="a"):
    return {"__type": "core/ASSET", "info": {"id": id_}}


def test_plain_workflow_is_taken():
    found = workflow.check(
        graph() | {"3": {"class_type": "LoadImage", "inputs": {"image": asset()}}}
    )
    assert found.classes == {"CheckpointLoaderSimple", "SaveImage", "LoadImage"}
    assert found.models == (("checkpoints", "base.safetensors"),)
    assert found.assets == {"a"}


def test_workflows_of_the_project_are_taken():
    folder = Path(__file__).parents[3] / "workflows"
    files = sorted(folder.glob("**/*api*.json")) + sorted(folder.glob("api/*.json"))
    for file in files:
        flow = json.loads(file.read_text(encoding="utf-8"))
        for one in flow.values():
            if one["class_type"] == "LoadImage":
                one["inputs"]["image"] = asset()
        workflow.check(flow)


POLICY = Policy(("comfyui", "dressform"), frozenset({"LoadImageOutput"}))


def test_attack_1_unknown_class_is_not_bound():
    assert POLICY.bind({"KSampler", "Nothing"}, [CLASSES]) == {"KSampler": "comfyui"}


def test_attack_2_class_of_another_pack_is_not_bound():
    told = [{"KSampler": "evil", "ReadAnything": "evil"}]
    assert POLICY.bind({"KSampler", "ReadAnything"}, told) == {}
    assert POLICY.bind({"KSampler"}, [*told, CLASSES]) == {"KSampler": "comfyui"}


def test_class_in_two_allowed_packs_is_of_the_first():
    told = [{"A": "dressform"}, {"A": "comfyui"}]
    assert POLICY.bind({"A"}, told) == {"A": "comfyui"}


@pytest.mark.parametrize("flow", [{"nodes": [], "links": []}, {"nodes": [], "links": [], "a": 1}])
def test_attack_3_format_of_the_editor_is_refused(flow):
    refused(flow, "workflow_format_ui")


PATHS = (
    "../secret.png",
    "a/../../b.png",
    "/etc/passwd",
    "..\\secret.png",
    "a\\..\\b",
    "C:\\secret.png",
    "c:/secret.png",
    "\\\\host\\share\\a.png",
    "~/secret.png",
    "~root/secret.png",
    "%2e%2e/secret.png",
    "%2e%2e%2fsecret.png",
    "%252e%252e%252fsecret.png",
    "..%5csecret.png",
    "%2fetc/passwd",
    "./a.png",
    "a/./b.png",
    " /etc/passwd",
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ["video", "file", "path", "directory", "lora_name", "anything"])
def test_attack_4_paths_are_refused_in_every_input(path, name):
    refused(node("SomeLoader", **{name: path}))


@pytest.mark.parametrize("path", PATHS)
def test_attack_4_paths_are_refused_within_lists_and_objects(path):
    refused(node("SomeLoader", files=[{"a": ["b.png", path]}]))
    refused(node("SomeLoader", files={path: 1}))


@pytest.mark.parametrize(
    ("class_", "name"),
    [
        ("LoadImage", "image"),
        ("LoadImageMask", "image"),
        ("LoadLatent", "latent"),
        ("LoadAudio", "audio"),
        ("LoadVideo", "file"),
    ],
)
@pytest.mark.parametrize("value", ["a.png", "../a.png", ["2", 0], 7, None, {"id": "a"}])
def test_attack_4_file_inputs_take_assets_alone(class_, name, value):
    flow = node(class_, **{name: value}) | {"2": {"class_type": "KSampler", "inputs": {}}}
    refused(flow, "missing_asset")


def test_attack_4_nul_is_refused():
    with pytest.raises(RunError, match="NUL"):
        workflow.parse(b'{"a": "b\\u0000.png"}')


@pytest.mark.parametrize(
    "value", ["x.png [output]", "x.png [temp]", "x.png[input]", "x [ output ] "]
)
def test_attack_5_annotated_names_are_refused(value):
    refused(node("SomeLoader", image=value))


@pytest.mark.parametrize(
    "prefix",
    [
        *PATHS,
        "%KSampler.seed%",
        "%date:yyyy%",
        "%width",
        "{output}",
        "$HOME",
        "a\nb",
        "a" * 101,
        "",
        "a//b",
        "a/",
        "\u202egnp.exe",
    ],
)
def test_attack_6_prefixes_that_reach_out_are_refused(prefix):
    refused(node("SaveImage", filename_prefix=prefix))


@pytest.mark.parametrize(
    "prefix", ["ComfyUI", "shop/2026 spring", "%year%-%month%/%width%x%height%", "Kleid-größe"]
)
def test_plain_prefixes_are_taken(prefix):
    workflow.check(node("SaveImage", filename_prefix=prefix))


@pytest.mark.parametrize(
    "name", ["a.ckpt", "a.pt", "a.PTH", "a.bin", "a.pkl", "x/a.ckpt", "a%2eckpt", "a.npz"]
)
def test_attack_7_pickles_are_refused(name):
    assert "safetensors" in refused(node("CheckpointLoaderSimple", ckpt_name=name))
    refused(node("SomeLoader", weights=name))


def test_attack_7_models_are_told_whatever_the_input_is_called():
    flow = node("SomeLoader", weights="a.safetensors", lora_name="b", style="c.gguf")
    assert workflow.check(flow).models == (
        ("", "a.safetensors"),
        ("loras", "b"),
        ("", "c.gguf"),
    )


@pytest.mark.parametrize(
    "class_",
    ["ComfyMathExpression", "PythonEval", "Exec", "ShellCommand", "RegexMatch", "RunJavaScript"],
)
def test_attack_8_classes_that_compute_texts_are_not_bound(class_):
    assert POLICY.bind({class_}, [{class_: "comfyui"}]) == {}


@pytest.mark.parametrize("class_", ["LoadImageOutput"])
def test_attack_8_refused_classes_are_not_bound(class_):
    assert POLICY.bind({class_}, [{class_: "comfyui"}]) == {}


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "https://[::1]/a.png",
        "http://169.254.169.254/latest",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "file:///etc/passwd",
        "gopher://host/1",
        "ftp://host/a",
        "//host/a.png",
        " http://host/",
        "HTTPS://HOST/",
        "http%3a%2f%2fhost/",
        "data:image/png;base64,AAAA",
        "s3://bucket/a",
    ],
)
def test_attack_9_addresses_are_refused(url):
    refused(node("LoadImageFromURL", url=url))
    refused(node("SomeLoader", image=[url]))


def test_words_may_say_anything():
    text = "a /red/ dress ../ see http://example.com [output] 50% off %2e%2e/"
    workflow.check(node("CLIPTextEncode", text=text))


def test_attack_10_too_many_nodes_are_refused():
    flow = {str(n): {"class_type": "A", "inputs": {}} for n in range(100_000)}
    assert "2000 nodes" in refused(flow)


def test_attack_10_circles_are_refused():
    flow = {str(n): {"class_type": "A", "inputs": {"a": [str((n + 1) % 50), 0]}} for n in range(50)}
    assert "circles" in refused(flow)
    assert "circles" in refused(node("A", a=["1", 0]))


def test_attack_10_circles_of_other_spellings_are_refused():
    for output in (True, 0.0):
        flow = node("A", x=["2", output]) | {"2": {"class_type": "A", "inputs": {"x": ["1", 0]}}}
        assert "circles" in refused(flow)


def test_long_chains_are_taken():
    flow = {str(n): {"class_type": "A", "inputs": {"a": [str(n + 1), 0]}} for n in range(1999)}
    workflow.check(flow | {"1999": {"class_type": "A", "inputs": {}}})


def test_attack_10_links_into_nowhere_are_refused():
    assert "missing" in refused(node("A", a=["2", 0]))


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": 1%s}' % (b"0" * 30),
        b'{"a": 1%s}' % (b"0" * 5000),
        b'{"a": 1, "a": 2}',
        b'{"1": {"inputs": {"a": 1, "a": 2}}}',
        b"[" * 100 + b"]" * 100,
        b"[" * 200_000,
        b'{"a":' * 50 + b"1" + b"}" * 50,
        b"\xff\xfe",
        b"{",
        b"",
    ],
    ids=range(14),
)
def test_attack_10_json_that_is_not_plain_is_refused(text):
    with pytest.raises(RunError) as caught:
        workflow.parse(text)
    assert caught.value.code == "invalid_workflow"


def test_attack_10_huge_json_is_refused():
    with pytest.raises(RunError) as caught:
        workflow.parse(b'"' + b"a" * (50 << 20) + b'"')
    assert (caught.value.code, caught.value.status) == ("too_large", 413)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("width", 10**9),
        ("height", -1),
        ("batch_size", 65),
        ("steps", 2**40),
        ("width", 1e9),
        ("amount", 10_000),
        ("width", "1000000"),
        ("batch_size", " 4_096 "),
        ("height", "nan"),
        ("width", {"__value__": 1_000_000}),
        ("steps", {"__value__": {"__value__": "1e9"}}),
    ],
)
def test_attack_10_sizes_are_bounded(name, value):
    refused(node("EmptyLatentImage", **{name: value}))


@pytest.mark.parametrize("value", [512, "512", "auto", ["2", 0], None, True])
def test_usual_sizes_are_taken(value):
    flow = node("EmptyLatentImage", width=value) | {"2": {"class_type": "A", "inputs": {}}}
    assert workflow.check(flow).classes == {"EmptyLatentImage", "A"}


@pytest.mark.parametrize(
    "flow",
    [
        [],
        {},
        None,
        {"1": 1},
        {"1": {"inputs": {}}},
        {"1": {"class_type": 7}},
        {"1": {"class_type": ""}},
        {"1": {"class_type": "a\n"}},
        {"": {"class_type": "A"}},
        {"1": {"class_type": "A", "inputs": []}},
        {"1": {"class_type": "A" * 201}},
        {"1": {"class_type": "A", "inputs": {"": 1}}},
        {"1": {"class_type": "A", "inputs": {"text": "a" * 20_001}}},
    ],
    ids=range(13),
)
def test_what_is_no_workflow_is_refused(flow):
    refused(flow)


@pytest.mark.parametrize("info", [None, {}, {"id": 7}, {"id": ""}, "a"])
def test_asset_without_an_id_is_refused(info):
    refused(node("LoadImage", image={"__type": "core/ASSET", "info": info}), "missing_asset")


@pytest.mark.parametrize("within", [[asset()], {"a": asset()}, {"a": [[asset("b")]]}])
def test_asset_within_another_value_is_refused(within):
    assert "must be the asset itself" in refused(node("Anything", extra=within))


def test_binding_names_files_and_changes_nothing_else():
    flow = node("LoadImage", image=asset("a"), other=1)
    bound = workflow.bind(flow, {"a": "a.png"})
    assert bound["1"]["inputs"] == {"image": "a.png", "other": 1}
    assert flow["1"]["inputs"]["image"] == asset("a")


def test_shape_is_of_what_takes_time():
    def shape(**inputs):
        return workflow.check(node("KSampler", **inputs)).shape

    assert shape(steps=20, seed=1) == shape(steps=20, seed=2)
    assert shape(steps=20) != shape(steps=30)
