"""A hosted server that answers as a test tells it."""

from aiohttp import web


class Server:
    """Answers as it is told: `answers` has a function for each method and path."""

    def __init__(self):
        self.answers, self.asked = {}, []

    async def __aenter__(self):
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await self._site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def _answer(self, request):
        what = f"{request.method} {request.path}"
        self.asked.append((what, dict(request.headers), await request.read()))
        answer = self.answers.get(what, problem(404, "not_found"))
        return await answer(request) if callable(answer) else answer

    def words(self):
        return [what for what, *_ in self.asked]


def problem(status, code, detail="It is required.", todo="Do it."):
    async def answer(_):
        told = {"code": code, "detail": detail, "what_to_do": todo}
        return web.json_response(told, status=status)

    return answer


def told(value, status=200):
    async def answer(_):
        return web.json_response(value, status=status)

    return answer
