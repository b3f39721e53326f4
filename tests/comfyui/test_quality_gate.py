"""Which branches a real ComfyUI runs before a Quality Gate: its events are counted."""

import asyncio
import io
import json

import pytest
from dressform.comfyui import run
from dressform.comfyui.client import Client

pytestmark = pytest.mark.comfyui

# What each try consists of, and what hangs on the two ways out.
FIRST, RETRY, SECOND = ("1", "2"), ("3", "4"), ("5", "6")
GATE, ON_ACCEPTED, ON_REJECTED = "7", "8", "9"


def graph(verdicts, run_id, folder="gate_review"):
    """Three tries as plain pictures with a given verdict each; new for every run."""
    prompt = {}
    for number, verdict in enumerate(verdicts):
        picture, word = str(2 * number + 1), str(2 * number + 2)
        size = {"width": 64 + 8 * run_id, "height": 64, "batch_size": 1}
        prompt[picture] = {"class_type": "EmptyImage", "inputs": {**size, "color": number + 1}}
        # Spaces keep ComfyUI from taking an equal verdict from its cache.
        text = f"{verdict}{' ' * (10 * number + run_id)}"
        prompt[word] = {"class_type": "PrimitiveString", "inputs": {"value": text}}
    prompt[GATE] = {
        "class_type": "DressformQualityGate",
        "inputs": {
            **dict(zip(("image", "verdict"), ([n, 0] for n in FIRST), strict=True)),
            **dict(zip(("retry", "retry_verdict"), ([n, 0] for n in RETRY), strict=True)),
            "second_retry": [SECOND[0], 0],
            "second_retry_verdict": [SECOND[1], 0],
            "accept": "pass or warn",
            "review_folder": folder,
            "name": "shirt",
        },
    }
    for node, output in ((ON_ACCEPTED, 0), (ON_REJECTED, 1)):
        inputs = {"images": [GATE, output]}
        prompt[node] = {"class_type": "PreviewImage", "inputs": inputs}
    prompt["10"] = {"class_type": "PreviewAny", "inputs": {"source": [GATE, 6]}}
    return prompt


def execute(comfyui, prompt):
    """Returns the ids of the nodes that ran, and what the report says."""

    async def go():
        ran = set()
        async with Client(comfyui.url) as client:
            done = await client.execute(
                prompt, lambda event: ran.add(event.node) if event.kind == "node" else None
            )
        return ran, done.history

    ran, history = asyncio.run(go())
    return ran, history["outputs"]


@pytest.mark.parametrize(
    ("verdicts", "ran", "spared", "way", "route"),
    [
        (("pass", "fail", "fail"), FIRST, RETRY + SECOND, ON_ACCEPTED, "pass"),
        (("fail", "warn", "pass"), FIRST + RETRY, SECOND, ON_ACCEPTED, "retry"),
        (("fail", "unmeasurable", "fail"), FIRST + RETRY + SECOND, (), ON_REJECTED, "review"),
    ],
    ids=["pass", "retry", "review"],
)
def test_only_the_branches_that_are_needed_run(comfyui, verdicts, ran, spared, way, route):
    run_id = 1 + ("pass", "retry", "review").index(route)
    seen, outputs = execute(comfyui, graph(verdicts, run_id))
    assert seen >= {*ran, GATE}
    assert not seen & set(spared)
    shown = {node for node in (ON_ACCEPTED, ON_REJECTED) if outputs.get(node, {}).get("images")}
    assert shown == {way}
    report = json.loads(outputs["10"]["text"][0])
    assert (report["route"], report["tries_run"]) == (route, len(ran) // 2)
    saved = comfyui.base / "output" / "gate_review"
    files = {path.name for path in saved.glob("*")} if saved.exists() else set()
    assert files == (
        {"shirt.json", *(f"shirt_try{n}.png" for n in (1, 2, 3))} if route == "review" else set()
    )


def test_half_a_retry_stops_with_a_sentence_and_runs_no_retry(comfyui):
    prompt = graph(("fail", "pass", "pass"), 5)
    del prompt[GATE]["inputs"]["retry_verdict"]
    with pytest.raises(RuntimeError, match="retry_verdict must be connected where retry is"):
        execute(comfyui, prompt)


def test_a_way_that_is_not_taken_is_no_missing_output(comfyui, tmp_path):
    path = tmp_path / "gate.json"
    path.write_text(json.dumps(graph(("pass", "fail", "fail"), 7)), encoding="utf-8")
    done = run.run(path, comfyui.url, tmp_path / "out", stream=io.StringIO())
    assert done.outputs[ON_ACCEPTED]["files"]
    assert ON_REJECTED not in done.outputs
