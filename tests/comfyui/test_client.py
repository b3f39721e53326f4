"""What the server says, as sentences; and a server that goes away."""

import asyncio
import errno
import io
import os
from pathlib import Path

import pytest
from aiohttp import web
from dressform import failure
from dressform.comfyui import client as client_module
from dressform.comfyui import run
from dressform.comfyui.client import Client, Event, failed, refused
from dressform.comfyui.progress import Progress

PROMPT = {"1": {"class_type": "Save", "inputs": {}, "_meta": {"title": "Keep"}}}
SUCCESS = {"outputs": {}, "status": {"status_str": "success", "messages": []}}


def serve(act, *, history=SUCCESS, drop=False, lose=False, body=b"data"):
    """Runs `act(client)` against a small server whose socket may break or say nothing."""

    async def socket(request):
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        if drop:
            await answer.close()
        else:
            await asyncio.sleep(0.2)
        return answer

    def replying(document):
        async def handle(request):
            return web.json_response(document)

        return handle

    async def main():
        app = web.Application()
        app.router.add_get("/ws", socket)
        app.router.add_post("/prompt", replying({"prompt_id": "p"}))
        found = {} if lose else {"p": history}
        app.router.add_get("/history/p", replying(found))
        app.router.add_get("/queue", replying({}))
        for path in ("/queue", "/interrupt"):
            app.router.add_post(path, replying({}))

        async def view(request):
            return web.Response(body=body)

        app.router.add_get("/view", view)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            async with Client(runner.addresses[0][0] + f":{runner.addresses[0][1]}") as client:
                return await act(client)
        finally:
            await runner.cleanup()

    return asyncio.run(main())


async def execute(client):
    return await client.execute(PROMPT, lambda event: None)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(client_module, "SILENCE_S", 0.1)
    monkeypatch.setattr(client_module, "LOST_S", 0.5)


def test_socket_that_breaks_does_not_lose_the_end():
    assert serve(execute, drop=True).history == SUCCESS


def test_socket_that_says_nothing_does_not_lose_the_end():
    assert serve(execute).history == SUCCESS


def test_prompt_that_the_server_lost_is_told():
    with pytest.raises(RuntimeError, match=r"must finish prompt p, got no sign of it"):
        serve(execute, lose=True)


def test_failed_node_is_told_by_title():
    error = {"node_id": "1", "exception_message": "disk on fire\n"}
    history = {"status": {"status_str": "error", "messages": [["execution_error", error]]}}
    with pytest.raises(RuntimeError, match=r"^Keep \(node 1\): disk on fire\. Look at its inputs"):
        serve(execute, history=history)
    error["exception_message"] = "a mask is required, got none. Connect one.\n"
    with pytest.raises(RuntimeError, match=r"got none\. Connect one\.$"):
        serve(execute, history=history)


def test_download_is_whole_or_not_at_all(tmp_path):
    file = {"filename": "a.png", "subfolder": "", "type": "output"}
    size = serve(lambda client: client.download(file, tmp_path / "a.png"))
    assert size == 4
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_empty_download_is_an_error_and_leaves_nothing(tmp_path):
    file = {"filename": "a.png", "subfolder": "", "type": "output"}
    with pytest.raises(RuntimeError, match="must have content, got an empty file"):
        serve(lambda client: client.download(file, tmp_path / "a.png"), body=b"")
    assert list(tmp_path.iterdir()) == []


def test_every_refusal_names_its_node():
    errors = [{"message": "Value too big", "details": "width 9"}, {"message": "Missing"}]
    answer = {"prompt_id": "p", "node_errors": {"1": {"errors": errors}}}
    assert refused(answer, PROMPT) == [
        "Keep (node 1): Value too big: width 9",
        "Keep (node 1): Missing",
    ]


def test_refusal_without_a_node_is_told():
    assert refused({"error": {"message": "No outputs", "details": ""}}, PROMPT) == [
        "the server refused the workflow: No outputs"
    ]


def test_success_is_no_failure():
    assert failed(SUCCESS, PROMPT) is None
    assert refused({"prompt_id": "p", "node_errors": {}}, PROMPT) == []


def test_progress_counts_time_per_node():
    shown = io.StringIO()
    with Progress({**PROMPT, "2": PROMPT["1"]}, shown) as progress:
        progress(Event("cached", "2"))
        progress(Event("node", "1"))
        progress(Event("progress", "1", 1, 4))
    assert set(progress.seconds) == {"1"}
    assert shown.getvalue() == "2 of 2: Keep\n"


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ({"filename": "a.png", "subfolder": "", "type": "output"}, "a.png"),
        ({"filename": "a.png", "subfolder": "x/y", "type": "output"}, "x/y/a.png"),
        ({"filename": "a.png", "subfolder": "", "type": "temp"}, "temp/a.png"),
        ({"filename": "a.png", "subfolder": "../..", "type": "output"}, "a.png"),
        ({"filename": "../../a.png", "subfolder": "/etc", "type": "output"}, "etc/.._.._a.png"),
        ({"filename": "/etc/passwd", "subfolder": "", "type": "output"}, "_etc_passwd"),
        ({"filename": "a.png", "subfolder": "", "type": "../../x"}, ".._.._x/a.png"),
        ({"filename": "a.png", "subfolder": "", "type": "/etc"}, "_etc/a.png"),
        ({"filename": "a.png", "subfolder": "", "type": ".."}, "a.png"),
        ({"filename": "a.png", "subfolder": "C:\\x\\..", "type": ""}, "C_/x/a.png"),
        ({"filename": "a\0b.png", "subfolder": "", "type": "output"}, "a_b.png"),
        ({"filename": "run.json", "subfolder": "", "type": "output"}, "7_8-run.json"),
    ],
)
def test_outputs_stay_below_the_folder(file, expected):
    assert run._target(file, "7:8", set()) == Path(expected)


def test_outputs_of_one_name_do_not_meet():
    file = {"filename": "a.png", "subfolder": "", "type": "output"}
    assert run._target(file, "3", {Path("a.png")}) == Path("3-a.png")
    assert run._target(file, "3", {Path("a.png"), Path("3-a.png")}) == Path("3-3-a.png")


@pytest.mark.parametrize("name", ["..", ".", ""])
def test_output_without_a_name_is_told(name):
    file = {"filename": name, "subfolder": "..", "type": "output"}
    with pytest.raises(RuntimeError, match="every output of node 3 must have a name"):
        run._target(file, "3", set())


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("127.0.0.1:8188", "http://127.0.0.1:8188"),
        ("http://shop:8188/", "http://shop:8188"),
        ("https://shop/comfy/", "https://shop/comfy"),
        ("[::1]:8188", "http://[::1]:8188"),
    ],
)
def test_address_may_leave_out_the_scheme(given, address):
    assert Client(given).url == address


@pytest.mark.parametrize("given", ["", "http://", "ftp://shop", "shop:port", "a b", "shop:99999"])
def test_address_that_is_none_is_told(given):
    with pytest.raises(ValueError, match=r"must be like http://127\.0\.0\.1:8188"):
        Client(given)


def hang_up(act):
    """Runs `act(client)` against a server that hangs up in the middle of each answer."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        await writer.drain()
        writer.close()

    async def main():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server, Client(f"127.0.0.1:{server.sockets[0].getsockname()[1]}") as client:
            await act(client)

    asyncio.run(main())


def test_answer_that_is_cut_off_is_told():
    with pytest.raises(RuntimeError, match=r"/object_info must answer to the end.*read its log"):
        hang_up(lambda client: client.object_info())


def test_download_that_is_cut_off_leaves_nothing(tmp_path):
    file = {"filename": "a.png", "subfolder": "", "type": "output"}
    with pytest.raises(RuntimeError, match=r"/view must answer to the end"):
        hang_up(lambda client: client.download(file, tmp_path / "a.png"))
    assert list(tmp_path.iterdir()) == []


def test_full_disk_ends_a_download_and_leaves_nothing(tmp_path, monkeypatch):
    def full(self, *rest):
        self.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    monkeypatch.setattr(Path, "open", full)
    file = {"filename": "a.png", "subfolder": "", "type": "output"}
    with pytest.raises(OSError, match="No space left") as caught:
        serve(lambda client: client.download(file, tmp_path / "a.png"))
    assert "Free some space on the disk" in failure.sentence(caught.value)
    assert list(tmp_path.iterdir()) == []
