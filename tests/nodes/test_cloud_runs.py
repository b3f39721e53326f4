"""Hosted runs that outlive trouble, against a server that answers as told."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from aiohttp import web

sys.path.append(str(Path(__file__).parent))  # modules of no package
from pretend_server import Server, problem, told

KEY = "df_secret_key_abcd"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
GRAPH = {"1": {"class_type": "EmptyImage", "inputs": {}}}


@pytest.fixture
def account(nodes, tmp_path, monkeypatch):
    import folder_paths
    from dressform.nodes import cloud_account

    for kind in ("input", "temp", "output", "user"):
        (tmp_path / kind).mkdir()
        monkeypatch.setattr(folder_paths, f"{kind}_directory", str(tmp_path / kind))
    return cloud_account


@pytest.fixture
def follow(account, monkeypatch):
    """A function that runs `act(server, runs, heard)` with a connected account."""
    from dressform.nodes import cloud_runs

    monkeypatch.setattr(cloud_runs, "POLL_S", 0.02)
    monkeypatch.setattr(cloud_runs, "PAUSES_S", (0.02,))

    def run(act):
        async def main():
            heard = []
            runs = cloud_runs.Runs(lambda name, view: heard.append(view))
            async with Server() as server:
                account.keep(account.Account(server.url, KEY))
                await act(server, runs, heard)

        asyncio.run(main())

    return run


async def until(holds):
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.01)


def start(runs, account, **more):
    usual = {"label": "w", "client": "me", "titles": {}, "gpu_class": "", "at_most": 5.0}
    return runs.start(account.load(), GRAPH, **{**usual, **more})


def job(status, **more):
    billing = {"held_micro": 0, "charged_micro": 420_000, "explanation": "because"}
    return {"id": "j", "status": status, "billing": billing, "outputs": [], **more}


def test_is_sent_again_under_the_same_key_until_it_is_known(follow, account):
    async def act(server, runs, heard):
        server.answers["POST /api/v2/jobs"] = problem(503, "database_away")
        run = start(runs, account)
        await until(lambda: server.words().count("POST /api/v2/jobs") > 2)
        assert run.away == "database_away"
        server.answers["POST /api/v2/jobs"] = told(job("queued"), 201)
        server.answers["GET /api/v2/jobs/j"] = told(job("succeeded"))
        await until(lambda: run.ended)
        keys = {head["Idempotency-Key"] for what, head, _ in server.asked if "POST" in what}
        assert len(keys) == 1
        assert (run.state, run.cost, run.away) == ("succeeded", 0.42, "")

    follow(act)


def test_that_is_canceled_before_it_is_sent_is_never_sent(follow, account):
    async def act(server, runs, heard):
        account.forget()
        run = runs.start(account.Account(server.url, KEY), GRAPH, label="", client="", titles={})
        await until(lambda: run.away == "not-connected")
        account.keep(account.Account(server.url, KEY))
        runs.cancel(run.id)
        await until(lambda: run.ended)
        assert run.state == "canceled"
        assert server.asked == []

    follow(act)


def test_tells_the_server_what_it_may_cost(follow, account):
    async def act(server, runs, heard):
        error = {"code": "max_cost", "message": "It would have cost more than allowed."}
        server.answers["POST /api/v2/jobs"] = told(job("queued"), 201)
        server.answers["GET /api/v2/jobs/j"] = told(job("failed", error=error))
        run = start(runs, account, at_most=1.25)
        await until(lambda: run.ended)
        (sent,) = [data for what, _, data in server.asked if what == "POST /api/v2/jobs"]
        assert json.loads(sent)["max_micro"] == 1_250_000
        assert (run.state, run.error["code"]) == ("failed", "max_cost")

    follow(act)


def test_that_a_restart_cut_off_is_fetched(follow, account):
    from dressform.nodes import cloud_runs

    async def act(server, runs, heard):
        server.answers["POST /api/v2/jobs"] = told(job("queued"), 201)
        server.answers["GET /api/v2/jobs/j"] = told(job("running"))
        run = start(runs, account)
        await until(lambda: run.state == "running")
        for task in runs._tasks.values():
            task.cancel()  # as when ComfyUI stops
        output = {"id": "o", "node_id": "1", "name": "a.png", "type": "image"}
        server.answers["GET /api/v2/jobs/j"] = told(job("succeeded", outputs=[output]))

        async def data(_):
            return web.Response(body=PNG)

        server.answers["GET /api/v2/assets/o/content"] = data
        again = cloud_runs.Runs(lambda name, view: None)
        assert [one["id"] for one in again.list()] == [run.id]
        await until(lambda: again.list()[0]["ended"])
        (file,) = again.list()[0]["files"]
        assert (file["node"], file["filename"]) == ("1", "a.png")
        assert len([what for what in server.words() if what == "POST /api/v2/jobs"]) == 1

    follow(act)


def test_fetches_no_output_twice_whatever_becomes_of_the_next(follow, account):
    from dressform.nodes import cloud_runs

    async def act(server, runs, heard):
        outputs = [
            {"id": id_, "node_id": "1", "name": f"{id_}.png", "type": "image"}
            for id_ in ("good", "bad")
        ]

        async def data(_):
            return web.Response(body=PNG)

        server.answers["POST /api/v2/jobs"] = told(job("queued"), 201)
        server.answers["GET /api/v2/jobs/j"] = told(job("succeeded", outputs=outputs))
        server.answers["GET /api/v2/assets/good/content"] = data
        server.answers["GET /api/v2/assets/bad/content"] = problem(503, "unavailable")
        run = start(runs, account)
        tries = "GET /api/v2/assets/bad/content"
        await until(lambda: server.words().count(tries) > 2 and run.away)
        assert [one["filename"] for one in run.files] == ["good.png"]
        for task in runs._tasks.values():
            task.cancel()  # as when ComfyUI stops
        server.answers["GET /api/v2/assets/bad/content"] = data
        again = cloud_runs.Runs(lambda name, view: None)
        await until(lambda: again.list()[0]["ended"])
        names = [one["filename"] for one in again.list()[0]["files"]]
        assert names == ["good.png", "bad.png"]
        assert server.words().count("GET /api/v2/assets/good/content") == 1

    follow(act)


def test_waits_for_room_on_this_computer(follow, account, monkeypatch):
    from dressform.nodes import cloud_files

    usual, full = cloud_files.keep, [True]

    async def keep(name, chunks, digest=""):
        if full:
            raise OSError(28, "No space left on device")
        return await usual(name, chunks, digest)

    def write(target, text):
        raise OSError(28, "No space left on device")

    async def act(server, runs, heard):
        monkeypatch.setattr(cloud_files, "keep", keep)
        monkeypatch.setattr(account, "write", write)
        output = {"id": "o", "node_id": "1", "name": "a.png", "type": "image"}

        async def data(_):
            return web.Response(body=PNG)

        server.answers["POST /api/v2/jobs"] = told(job("queued"), 201)
        server.answers["GET /api/v2/jobs/j"] = told(job("succeeded", outputs=[output]))
        server.answers["GET /api/v2/assets/o/content"] = data
        run = start(runs, account)
        await until(lambda: run.away)
        assert (run.away, run.ended) == ("local-files", False)
        full.clear()
        runs.retry(run.id)
        await until(lambda: run.ended)
        assert (run.state, len(run.files)) == ("succeeded", 1)
        runs.retry(run.id)  # pressed just when it ended

    follow(act)


def test_is_not_sent_once_it_was_canceled_while_its_files_were(follow, account, monkeypatch):
    from dressform.nodes import cloud_calls

    async def act(server, runs, heard):
        async def upload(client, graph):
            runs.cancel(run.id)
            return graph

        monkeypatch.setattr(cloud_calls, "upload", upload)
        run = start(runs, account)
        await until(lambda: run.ended)
        assert run.state == "canceled"
        assert server.asked == []

    follow(act)


def test_begins_its_list_of_nodes_again_with_another_attempt(follow, account):
    async def act(server, runs, heard):
        def at(status, node):
            return told(job(status, progress={"current_node": node, "nodes_done": 1}))

        server.answers["POST /api/v2/jobs"] = told(job("queued"), 201)
        server.answers["GET /api/v2/jobs/j"] = at("running", "1")
        run = start(runs, account)
        await until(lambda: run.node == "1")
        server.answers["GET /api/v2/jobs/j"] = at("running", "2")
        await until(lambda: run.done == ["1"])
        server.answers["GET /api/v2/jobs/j"] = told(job("queued", progress=None))
        await until(lambda: run.state == "queued")
        assert (run.done, run.node, run.nodes_done) == ([], "", 0)
        server.answers["GET /api/v2/jobs/j"] = told(job("succeeded"))
        await until(lambda: run.ended)

    follow(act)


def test_is_sent_for_the_account_that_began_it_and_no_other(follow, account):
    async def act(server, runs, heard):
        server.answers["POST /api/v2/jobs"] = problem(503, "database_away")
        run = start(runs, account)
        await until(lambda: run.away == "database_away")
        account.keep(account.Account(server.url, "df_of_somebody_else"))
        await until(lambda: run.away == "not-connected")
        server.answers["POST /api/v2/jobs"] = told(job("queued"), 201)
        server.answers["GET /api/v2/jobs/j"] = told(job("succeeded"))
        account.keep(account.Account(server.url, KEY))
        await until(lambda: run.ended)
        assert run.state == "succeeded"
        assert {head["Authorization"] for _, head, _ in server.asked} == {f"Bearer {KEY}"}

    follow(act)


def test_that_the_server_keeps_no_more_ends(follow, account, monkeypatch):
    from dressform.nodes import cloud_runs

    async def act(server, runs, heard):
        server.answers["POST /api/v2/jobs"] = told(job("queued"), 201)
        run = start(runs, account)  # its job is asked for, and not found
        await until(lambda: run.away == "not-connected")
        monkeypatch.setattr(cloud_runs, "KEPT_S", 0)
        await until(lambda: run.ended)
        assert run.error["code"] == "job-gone"

    follow(act)


def test_that_is_forgotten_while_its_server_is_gone_leaves_nothing(follow, account):
    async def act(server, runs, heard):
        server.answers["POST /api/v2/jobs"] = problem(503, "database_away")
        run = start(runs, account)
        await until(lambda: run.away)
        runs.forget(run.id)
        await until(lambda: not runs._tasks)
        left = (runs._graphs, runs._wake, runs._told, runs.list())
        assert not any(left)

    follow(act)


def test_tells_other_pages_nothing_by_which_to_be_the_one_that_asked(follow, account):
    async def act(server, runs, heard):
        server.answers["POST /api/v2/jobs"] = problem(422, "invalid_workflow")
        run = start(runs, account, client="page-of-the-user")
        await until(lambda: run.ended)
        assert "page-of-the-user" not in json.dumps(heard)
        assert runs.list()[0]["client"] == "page-of-the-user"

    follow(act)


def test_whose_answer_a_restart_lost_is_found_by_its_label(follow, account):
    from dressform.nodes import cloud_runs

    async def act(server, runs, heard):
        async def never(_):
            await asyncio.sleep(60)

        server.answers["POST /api/v2/jobs"] = never
        run = start(runs, account)
        await until(lambda: "POST /api/v2/jobs" in server.words())
        for task in runs._tasks.values():
            task.cancel()
        server.answers["GET /api/v2/jobs"] = told({"jobs": [{"id": "j"}]})
        server.answers["GET /api/v2/jobs/j"] = told(job("succeeded"))
        again = cloud_runs.Runs(lambda name, view: None)
        again.list()
        await until(lambda: again.list()[0]["ended"])
        assert again.list()[0]["state"] == "succeeded"
        assert again.list()[0]["id"] == run.id

    follow(act)


def test_keeps_no_secret_in_what_it_tells_and_writes(follow, account):
    async def act(server, runs, heard):
        server.answers["POST /api/v2/jobs"] = problem(422, "invalid_workflow")
        run = start(runs, account)
        await until(lambda: run.ended)
        assert run.error["code"] == "invalid_workflow"
        written = (account.folder() / "runs.json").read_text()
        assert KEY not in json.dumps(heard) + written + json.dumps(runs.list())

    follow(act)
