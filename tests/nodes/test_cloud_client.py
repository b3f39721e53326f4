"""The client of the hosted server against one that misbehaves."""

import asyncio
import sys
from pathlib import Path

import pytest
from aiohttp import web

sys.path.append(str(Path(__file__).parent))  # modules of no package
from pretend_server import Server, problem, told

KEY = "df_secret_key_abcd"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


@pytest.fixture
def client(nodes):
    from dressform.nodes import cloud_client

    return cloud_client


@pytest.fixture
def play(client):
    """A function that runs `act(server, client)` with a server of its own."""

    def run(act):
        async def main():
            async with Server() as server, client.Client(server.url, KEY) as one:
                return await act(server, one)

        return asyncio.run(main())

    return run


class TestACall:
    def test_is_refused_in_the_servers_words(self, play, client):
        async def act(server, one):
            server.answers["POST /api/v2/jobs"] = problem(402, "insufficient_credits")
            with pytest.raises(client.CloudError, match=r"It is required\. Do it\.") as caught:
                await one.call("POST", "/api/v2/jobs", {}, once="k")
            assert (caught.value.status, caught.value.code) == (402, "insufficient_credits")
            assert not caught.value.passes
            assert server.asked[0][1]["Authorization"] == f"Bearer {KEY}"
            assert server.asked[0][1]["Idempotency-Key"] == "k"

        play(act)

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_is_never_led_elsewhere(self, play, client, status):
        async def act(server, one):
            async def lead(_):
                return web.Response(status=status, headers={"Location": f"{server.url}/secret"})

            server.answers["GET /api/v1/balance"] = lead
            with pytest.raises(client.CloudError):
                await one.call("GET", "/api/v1/balance")
            assert server.words() == ["GET /api/v1/balance"]

        play(act)

    @pytest.mark.parametrize("content", [b"<html>", b"[1]", b"[" * 100_000, b'"text"'])
    def test_that_answers_in_another_language_is_no_server_of_ours(self, play, client, content):
        async def act(server, one):
            async def answer(_):
                return web.Response(body=content)

            server.answers["GET /api/v1/balance"] = answer
            with pytest.raises(client.CloudError) as caught:
                await one.call("GET", "/api/v1/balance")
            assert caught.value.code == "no-server"

        play(act)

    def test_that_answers_without_end_is_cut_off(self, play, client, monkeypatch):
        monkeypatch.setattr(client, "MAX_JSON_BYTES", 1000)

        async def act(server, one):
            server.answers["GET /x"] = told({"x": "y" * 2000})
            with pytest.raises(client.CloudError, match="at most 1000 bytes"):
                await one.call("GET", "/x")

        play(act)

    def test_that_nobody_answers_may_succeed_later(self, client):
        async def main():
            async with client.Client("http://127.0.0.1:9", KEY) as one:
                with pytest.raises(client.CloudError) as caught:
                    await one.call("GET", "/x")
                assert caught.value.code == "unreachable"
                assert caught.value.passes
                assert KEY not in str(caught.value)

        asyncio.run(main())

    def test_takes_no_proxy_from_the_environment(self, play, monkeypatch):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")

        async def act(server, one):
            server.answers["GET /x"] = told({"a": 1})
            return await one.call("GET", "/x")

        assert play(act) == {"a": 1}


class TestAnUpload:
    def test_sends_nothing_that_the_server_has(self, play):
        pytest.importorskip("blake3")

        async def act(server, one):
            server.answers["POST /api/v2/assets/from-hash"] = told({"id": "a-1"}, 201)
            assert await one.upload(PNG, "input.png") == "a-1"
            assert server.words() == ["POST /api/v2/assets/from-hash"]

        play(act)

    def test_sends_what_it_has_not(self, play):
        async def act(server, one):
            server.answers["POST /api/v2/assets"] = told({"id": "a-2"}, 201)
            assert await one.upload(PNG, "input.png") == "a-2"
            assert PNG in server.asked[-1][2]

        play(act)

    def test_may_take_as_long_as_a_slow_line_needs(self, play, client, monkeypatch):
        monkeypatch.setattr(client, "CALL_S", 0.3)  # shorter than the server takes here
        monkeypatch.setattr(client, "SLOWEST_BYTES_S", len(PNG) / 60)
        monkeypatch.setattr(client, "_blake3", lambda data: "")

        async def act(server, one):
            async def slow(_):
                await asyncio.sleep(1)
                return web.json_response({"id": "a-3"}, status=201)

            server.answers["POST /api/v2/assets"] = slow
            assert await one.upload(PNG, "input.png") == "a-3"

        play(act)


class TestAFile:
    def collect(self, play, client, location, *, limit=1000):
        async def act(server, one):
            async def lead(_):
                place = location.replace("HERE", server.url)
                return web.Response(status=302, headers={"Location": place})

            async def data(_):
                return web.Response(body=PNG)

            server.answers["GET /api/v2/assets/a/content"] = lead
            server.answers["GET /store"] = data
            try:
                return b"".join([c async for c in one.content("a", limit)]), server.asked
            except client.CloudError as error:
                return error, server.asked

        return play(act)

    def test_in_a_store_is_fetched_without_the_key(self, play, client):
        data, asked = self.collect(play, client, "HERE/store")
        assert data == PNG
        assert "Authorization" in asked[0][1]
        assert "Authorization" not in asked[1][1]

    @pytest.mark.parametrize(
        "location",
        ["http://169.254.169.254/latest", "http://example.com/x", "file:///etc/passwd", "", "//x"],
    )
    def test_is_fetched_from_nowhere_else(self, play, client, location):
        error, asked = self.collect(play, client, location)
        assert error.code == "no-server"
        assert len(asked) == 1

    def test_of_private_networks_is_refused_to_a_public_server(self, client):
        async def main():
            with pytest.raises(OSError, match="a public address is required"):
                await client._PublicOnly().resolve("localhost", 443)

        asyncio.run(main())

    @pytest.mark.parametrize(
        "host",
        [
            "169.254.169.254",
            "10.0.0.5",
            "2130706433",
            "[fd00::1]",
            "[::ffff:10.0.0.5]",
            "127.0.0.1",
        ],
    )
    def test_of_a_private_number_is_refused_to_a_public_server(self, client, host):
        one = client.Client("https://cloud.example.com", KEY)
        with pytest.raises(client.CloudError, match="must be public"):
            one._store(f"https://{host}/latest", True)
        assert one._store("https://8.8.8.8/file", True)
        assert one._store("https://store.example.com/file", True)
        assert one._store(f"https://{host}/file", False)

    def test_of_a_private_network_is_fetched_for_a_server_of_one(self, play, client, monkeypatch):
        opened, usual = [], client._session

        def session(*, public=False):
            opened.append(public)
            return usual(public=public)

        monkeypatch.setattr(client, "_session", session)
        for seen in (False, True):

            async def is_public(_, seen=seen):
                return seen

            monkeypatch.setattr(client, "_is_public", is_public)
            self.collect(play, client, "https://localhost:1/store")
            assert opened[-1] is seen

    @pytest.mark.parametrize(
        ("host", "public"),
        [("127.0.0.1", False), ("localhost", False), ("192.168.1.9", False), ("8.8.8.8", True)],
    )
    def test_comes_from_a_server_that_is_public_or_not(self, client, host, public):
        assert asyncio.run(client._is_public(host)) is public

    def test_that_is_too_large_is_cut_off(self, play, client):
        error, _ = self.collect(play, client, "HERE/store", limit=10)
        assert error.code == "too_large"

    @pytest.mark.parametrize("name", ["../x", "a/b", "", "a?b", None, "a" * 101, "%2e%2e"])
    def test_has_an_id_that_leads_nowhere_else(self, client, name):
        with pytest.raises(client.CloudError):
            client.segment(name)


def test_events_are_read_whatever_way_they_are_cut(play):
    text = ': hello\n\nid: 1\nevent: progress\ndata: {"value": 0.5}\r\n\r\nevent: other\n\n'
    text += 'id: 2\nevent: status\ndata: {"status":\ndata:  "queued"}\n\nid: 3\ndata: {"cut"'

    async def act(server, one):
        async def stream(request):
            answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await answer.prepare(request)
            for at in range(0, len(text), 7):
                await answer.write(text[at : at + 7].encode())
                await asyncio.sleep(0)
            return answer

        server.answers["GET /api/v2/jobs/j/events"] = stream
        found = [event async for event in one.events("j", "0")]
        assert server.asked[0][1]["Last-Event-ID"] == "0"
        return found

    first, second = play(act)
    assert first == ("1", "progress", {"value": 0.5})
    assert second == ("2", "status", {"status": "queued"})
