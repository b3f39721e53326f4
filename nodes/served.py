"""Serves the pack's own files where ComfyUI cannot, because of the clone's folder name.

ComfyUI serves a pack's web folder and templates under the folder's name through aiohttp's static
routes, which never match a name that a URL has to escape, such as one with a space. And its editor
looks help pages up under the name up to the first dot or @ (extractCustomNodeName in its sources).
"""

import re
import sys
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

PACK = Path(__file__).parents[1]  # not resolved: a link's own name counts
# Where ComfyUI serves a folder of the pack -> that folder. It adds the same below /api by itself.
FOLDERS = {"/extensions": PACK / "web", "/workflow_templates": PACK / "workflows"}


def looked_up_name(folder: str) -> str:
    """Returns the name under which the editor looks for the help pages of a pack."""
    return re.split(r"[.@]", folder)[0]


def is_plain(folder: str) -> bool:
    """Tells whether ComfyUI serves and finds the files of a folder of this name by itself."""
    return quote(folder) == folder == looked_up_name(folder)


def find(root: Path, file: str) -> Path | None:
    """Returns the file below `root`, None if there is none or it lies outside."""
    path = (root / file).resolve()
    return path if path.is_relative_to(root.resolve()) and path.is_file() else None


def serve() -> None:
    """Adds the routes that the folder's name needs; ComfyUI must not serve HTTP yet."""
    module = sys.modules.get("server")  # importing it would start half of ComfyUI
    if module is not None and not is_plain(PACK.name):
        for prefix, root in FOLDERS.items():
            path = f"{prefix}/{{pack}}/{{file:.+}}"
            module.PromptServer.instance.routes.get(path)(_answer(root))


def _answer(root: Path):
    """The most general route: ComfyUI's own, for other packs, are matched before it."""
    names = {PACK.name, looked_up_name(PACK.name)}

    async def answer(request: web.Request) -> web.StreamResponse:
        found = find(root, request.match_info["file"])
        if request.match_info["pack"] not in names or found is None:
            raise web.HTTPNotFound
        return web.FileResponse(found)

    return answer
