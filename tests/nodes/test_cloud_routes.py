"""What the sidebar asks ComfyUI: who may ask, and how new the answer is."""

import asyncio
import sys
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request

sys.path.append(str(Path(__file__).parent))  # modules of no package
from pretend_server import Server, told

KEY = "df_secret_key_abcd"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def routes(nodes, tmp_path, monkeypatch):
    import folder_paths
    from dressform.nodes import cloud_routes

    monkeypatch.setattr(folder_paths, "user_directory", str(tmp_path))
    monkeypatch.delenv(cloud_routes.HOSTS_VARIABLE, raising=False)
    return cloud_routes


@pytest.fixture
def check(routes, monkeypatch):
    """A function that checks a request of a program on this computer, perhaps a proxy."""
    from aiohttp import web

    monkeypatch.setattr(web.BaseRequest, "remote", "127.0.0.1")

    def one(**headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        routes.require_own_page(make_mocked_request("POST", "/", headers={**JSON, **named}))

    return one


@pytest.mark.parametrize("name", ["X_Forwarded_For", "Forwarded"])
def test_proxy_lets_nobody_in_unless_its_name_is_listed(routes, check, monkeypatch, name):
    from dressform.nodes.photo_files import Refused

    check(Host="127.0.0.1:8188")
    with pytest.raises(Refused, match="a page of this computer"):
        check(Host="127.0.0.1:8188", **{name: "203.0.113.9"})
    monkeypatch.setenv(routes.HOSTS_VARIABLE, "comfy.example.com")
    check(Host="comfy.example.com", **{name: "203.0.113.9"})


class Listed:
    """Runs whose list is what it is when it is asked for."""

    def __init__(self):
        self.now = []

    def list(self):
        return list(self.now)


def test_state_has_the_runs_of_when_it_answers(routes):
    from dressform.nodes import cloud_account

    async def main():
        runs = Listed()
        async with Server() as server:
            cloud_account.keep(cloud_account.Account(server.url, KEY))

            async def balance(request):
                runs.now.append("begun meanwhile")
                return await told({"available_micro": 1_000_000, "held_micro": 0})(request)

            server.answers["GET /api/v1/balance"] = balance
            desk = routes.Desk(runs)
            here = await desk.state({"local": True})
            assert (here["connected"], here["balance"], here["runs"]) == (True, None, [])
            assert server.asked == []  # it need not answer for that
            full = await desk.state({})
            assert (full["balance"]["available"], full["runs"]) == (1.0, ["begun meanwhile"])

    asyncio.run(main())
