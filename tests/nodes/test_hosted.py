"""The hosted nodes against a server that answers as told; the real one: tests/browser."""

import asyncio
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web
from PIL import Image

sys.path.append(str(Path(__file__).parent))  # modules of no package
from pretend_server import Server, problem, told

KEY = "df_secret_key_abcd"
HEIGHT, WIDTH = 12, 8
QUOTE = {"runnable": True, "missing": {}, "gpu_class": "h100", "cost_micro": 1_000_000} | {
    "held_micro": 2_000_000,
    "estimate_gpu_ms": 1000,
}
DONE = {"id": "j", "status": "succeeded", "gpu_class": "h100", "metrics": {"gpu_ms": 900}} | {
    "billing": {"held_micro": 0, "charged_micro": 900_000}
}

OUTPUTS = [{"id": f"o{node}", "node_id": node, "type": "image"} for node in "579"]


def png(value):
    picture = np.full((HEIGHT, WIDTH, 3), value, np.uint8)
    picture[: HEIGHT // 2] = 0
    with io.BytesIO() as file:
        Image.fromarray(picture).save(file, "PNG")
        return file.getvalue()


@pytest.fixture
def torch(nodes):
    return pytest.importorskip("torch")


@pytest.fixture
def account(nodes, tmp_path, monkeypatch):
    import folder_paths
    from dressform.nodes import cloud_account

    for kind in ("input", "temp", "output", "user"):
        (tmp_path / kind).mkdir()
        monkeypatch.setattr(folder_paths, f"{kind}_directory", str(tmp_path / kind))
    return cloud_account


@pytest.fixture
def dress(nodes, torch, account, monkeypatch):
    """A function that runs Try On (Hosted) at a server that gives pictures, changed by `change`."""
    import comfy.model_management as management
    from dressform.nodes import hosted, hosted_step

    monkeypatch.setattr(hosted_step, "POLL_S", 0.02)
    monkeypatch.setattr(hosted_step, "LOOK_S", 0.01)
    monkeypatch.setattr(hosted_step, "_begun", {})

    def run(change=lambda server: None, *, connected=True, batch=1, **inputs):
        async def main():
            async with Server() as server:
                if connected:
                    account.keep(account.Account(server.url, KEY))
                serve(server)
                change(server)
                person = torch.full((batch, HEIGHT, WIDTH, 3), 0.25)
                mask = torch.ones((1, HEIGHT, WIDTH))
                made = await hosted.HostedTryOn.execute(
                    person, person[:1], mask, engine="warp", region="auto", **inputs
                )
                return made, server

        return asyncio.run(main())

    yield run
    management.interrupt_current_processing(False)


def serve(server):
    server.answers |= {
        "POST /api/v2/quote": told(QUOTE),
        "POST /api/v2/assets": told({"id": "asset"}, 201),
        "POST /api/v2/jobs": told({"id": "j"}, 201),
        "POST /api/v2/jobs/j/cancel": told({}),
    }
    for node, value in (("5", 200), ("7", 255), ("9", 128)):

        async def content(_, value=value):
            return web.Response(body=png(value))

        server.answers[f"GET /api/v2/assets/o{node}/content"] = content
    server.answers["GET /api/v2/jobs/j"] = told({**DONE, "outputs": OUTPUTS})


def test_gives_the_pictures_and_what_they_cost(dress):
    made, server = dress(max_cost=2.0)
    image, repainted, worn, cost = made.args
    assert cost == 0.9
    assert repainted[0, 0, 0] == 0
    assert repainted[0, -1, 0] == 1
    assert float(worn[0, -1, 0]) == pytest.approx(128 / 255)
    assert float(image[0, -1, 0, 0]) == pytest.approx(200 / 255)
    assert float(image[0, 0, 0, 0]) == 0.25  # outside of the mask ComfyUI's own values
    assert "0.9 credits for 0.9 s on h100" in str(made.ui)
    (sent,) = [json.loads(data) for what, _, data in server.asked if what == "POST /api/v2/jobs"]
    assert sent["workflow"]["4"]["class_type"] == "DressformTryOn"
    assert sent["workflow"]["1"]["inputs"]["image"]["info"] == {"id": "asset"}
    assert sent["gpu_class"] == "h100"
    assert KEY not in json.dumps(sent) + str(made.ui)


@pytest.mark.parametrize(
    ("change", "inputs", "sentence"),
    [
        (None, {"max_cost": 0.9}, "max_cost must be at least the 1 credits"),
        (
            {"runnable": False, "missing": {"nodes": ["DressformTryOn"]}},
            {},
            "got none of Dressform",
        ),
    ],
    ids=["too dear", "not there"],
)
def test_refuses_before_anything_is_sent_or_held(dress, change, inputs, sentence):
    def set_quote(server):
        server.answers["POST /api/v2/quote"] = told({**QUOTE, **(change or {})})

    made, server = dress(set_quote, **inputs)
    assert sentence in made.block_execution
    assert server.words() == ["POST /api/v2/quote"]


@pytest.mark.parametrize(
    ("what", "answer", "sentence"),
    [
        ("POST /api/v2/jobs", problem(402, "insufficient_credits"), "/credits"),
        ("POST /api/v2/quote", problem(401, "unauthorized"), "sidebar tab Dressform Cloud"),
        (
            "GET /api/v2/jobs/j",
            told({**DONE, "status": "failed", "error": {"code": "x", "message": "Node 4 broke."}}),
            "Node 4 broke.",
        ),
    ],
    ids=["out of credits", "unknown key", "failed"],
)
def test_says_what_went_wrong(dress, what, answer, sentence):
    made, _ = dress(lambda server: server.answers.update({what: answer}))
    assert sentence in made.block_execution
    assert KEY not in made.block_execution


def test_says_how_to_connect(dress):
    made, server = dress(connected=False)
    assert "Open the sidebar tab Dressform Cloud and connect." in made.block_execution
    assert server.asked == []


def test_runs_each_picture_of_a_batch_within_one_limit(dress):
    made, server = dress(batch=2, max_cost=4.0)
    assert made.args[0].shape[0] == 2
    assert made.args[3] == 1.8
    sent = [json.loads(data) for what, _, data in server.asked if what == "POST /api/v2/jobs"]
    assert [one["max_micro"] for one in sent] == [2_000_000, 3_100_000]  # an equal part of the rest
    made, server = dress(batch=2, max_cost=1.9)
    assert "max_cost must be at least" in made.block_execution
    assert "POST /api/v2/jobs" not in server.words()


def test_says_that_it_would_have_cost_more(dress):
    def stop(server):
        error = {"code": "max_cost", "message": "It would have cost more than allowed."}
        server.answers["GET /api/v2/jobs/j"] = told({**DONE, "status": "failed", "error": error})

    made, _ = dress(stop, max_cost=2.0)
    assert "It was stopped and cost 0.9 credits. Raise max_cost." in made.block_execution


def test_is_canceled_by_comfyuis_stop(dress):
    import comfy.model_management as management

    def stop(server):
        async def running(_):
            management.interrupt_current_processing()
            return web.json_response({**DONE, "status": "running"})

        server.answers["GET /api/v2/jobs/j"] = running
        server.stopped = []

    seen = []

    def watch(server):
        stop(server)
        seen.append(server)

    with pytest.raises(management.InterruptProcessingException):
        dress(watch)
    assert "POST /api/v2/jobs/j/cancel" in seen[0].words()


def lost(answer, times=2):
    """An answer that gets lost on its way a few times, whatever the server has done."""
    left = [None] * times

    async def answered(request):
        if left:
            left.pop()
            request.transport.close()
        return await answer(request)

    return answered


def orders(server):
    asked = [head for what, head, _ in server.asked if what == "POST /api/v2/jobs"]
    return [head["Idempotency-Key"] for head in asked]


def test_asks_again_for_what_was_lost_on_its_way(dress):
    def blip(server):
        for what in ("POST /api/v2/jobs", "GET /api/v2/jobs/j", "GET /api/v2/assets/o5/content"):
            server.answers[what] = lost(server.answers[what])

    made, server = dress(blip)
    assert made.block_execution is None
    assert float(made.args[0][0, -1, 0, 0]) == pytest.approx(200 / 255)
    assert len(orders(server)) > 1
    assert len(set(orders(server))) == 1  # the same job


def test_whose_server_stays_away_names_the_job_and_finds_it_again(dress, monkeypatch):
    from dressform.nodes import hosted_step

    away = problem(503, "unavailable")
    with monkeypatch.context() as patient:
        patient.setattr(hosted_step, "GONE_S", -1.0)
        made, server = dress(lambda s: s.answers.update({"GET /api/v2/jobs/j": away}))
        assert "On the server job j may go on, and cost something." in made.block_execution
        assert len(orders(server)) == 1
        made, _ = dress(lambda s: s.answers.update({"POST /api/v2/jobs": away}), seed=1)
        assert "a job named 'Try On' may go on" in made.block_execution

    def found(server):
        server.answers["GET /api/v2/jobs"] = told({"jobs": [{"id": "j"}]})

    for seed in (0, 1):
        made, server = dress(found, seed=seed)
        assert made.args[3] == 0.9
        assert orders(server) == []  # nothing is paid twice
    made, server = dress(found)
    assert len(orders(server)) == 1  # what was given is not given again


def test_pays_once_for_the_pictures_before_one_that_fails(dress):
    outcomes = ["succeeded", "failed"]

    def break_second(server):
        server.answers["POST /api/v2/jobs"] = numbered(server)

    def numbered(server):
        async def queued(_):
            id_ = f"j{len(orders(server))}"
            job = {**DONE, "id": id_, "status": outcomes.pop(0), "error": {"message": "Broke."}}
            server.answers[f"GET /api/v2/jobs/{id_}"] = told({**job, "outputs": OUTPUTS})
            return web.json_response({"id": id_}, status=201)

        return queued

    made, server = dress(break_second, batch=2, max_cost=9.0)
    assert "Broke." in made.block_execution
    first, _ = orders(server)
    outcomes.append("succeeded")
    asked = []

    def go_on(server):
        break_second(server)

        async def sent(request):
            asked.append(request.query["metadata[run]"])
            return web.json_response({"jobs": [{"id": "j"}]})

        server.answers["GET /api/v2/jobs"] = sent

    made, server = dress(go_on, batch=2, max_cost=9.0)
    assert made.args[0].shape[0] == 2
    assert asked == [first]
    assert len(orders(server)) == 1


def test_stop_while_results_come_does_not_make_them_be_paid_again(dress):
    import comfy.model_management as management

    def stop(server):
        async def gone(_):
            management.interrupt_current_processing()
            return web.Response(status=503)

        server.answers["GET /api/v2/assets/o5/content"] = gone

    with pytest.raises(management.InterruptProcessingException):
        dress(stop)
    jobs = told({"jobs": [{"id": "j"}]})
    made, server = dress(lambda s: s.answers.update({"GET /api/v2/jobs": jobs}))
    assert made.args[3] == 0.9
    assert orders(server) == []


def test_stop_is_a_stop_where_the_server_is_gone_too(dress):
    import comfy.model_management as management

    def stop(server):
        async def running(_):
            management.interrupt_current_processing()
            return web.json_response({**DONE, "status": "running"})

        server.answers["GET /api/v2/jobs/j"] = running
        server.answers["POST /api/v2/jobs/j/cancel"] = problem(503, "unavailable")

    with pytest.raises(management.InterruptProcessingException):
        dress(stop)


def test_is_canceled_with_the_workflow_around_it(nodes, account, monkeypatch):
    from dressform.nodes import hosted_step

    async def main():
        async with Server() as server:
            account.keep(account.Account(server.url, KEY))
            serve(server)
            server.answers["GET /api/v2/jobs/j"] = told({**DONE, "status": "running"})

            async def bar(share):
                pass

            graph = {"1": {"class_type": "EmptyImage", "inputs": {}}}
            step = hosted_step.run(graph, {}, part="", label="", max_cost=9.0, bar=bar)
            task = asyncio.ensure_future(step)
            async with asyncio.timeout(60):
                while "GET /api/v2/jobs/j" not in server.words():
                    await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert server.words()[-1] == "POST /api/v2/jobs/j/cancel"

    asyncio.run(main())


def test_a_picture_that_is_none_is_refused(dress):
    async def broken(_):
        return web.Response(body=b"<svg/>")

    made, _ = dress(lambda s: s.answers.update({"GET /api/v2/assets/o5/content": broken}))
    assert "must be a whole picture" in made.block_execution
