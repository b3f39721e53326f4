"""What the canvas of Draw Hints asks the server: a photo's fingerprint, a proposal, a refit.

All three are POST with JSON both ways. Refusals are {"code", "error"}, with the codes of
`photo_files` and: body-too-large, not-json, bad-request, bad-photo, bad-options, bad-document,
no-body. The work runs in one thread of its own: the server goes on answering, and however many
requests come, only one photo is in memory.
"""

import asyncio
import functools
import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp import web

from . import photo_files
from .photo_files import Refused

if TYPE_CHECKING:
    from ..imaging.parsing import Parsing
    from ..imaging.pose import Pose
    from ..imaging.strokes import StrokeDocument

MAX_BODY_BYTES = 2_100_000  # a stroke document of the largest size, and a photo's name
CHUNK_BYTES = 65_536
KEPT_PARSINGS = 2  # the photo that is drawn on, and the one before it
# What a user may choose for a proposal: keyword arguments of imaging.hints.propose.
OPTIONS = {
    "all_parts": bool,
    "proportions": str,
    "stance": str,
    "head_turn": str,
    "mirrored": bool,
}

_worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="dressform-hints")


class _Photo(NamedTuple):
    """A photo that a request names.

    Attributes:
        file: What is looked at; perhaps a smaller picture of the photo.
        size: Height and width of the photo itself; None where it is the file's own.
        fingerprint: Of the photo itself, "" where it is the file's own.
    """

    file: photo_files.File
    size: tuple[int, int] | None
    fingerprint: str


def serve() -> None:
    """Adds the routes; ComfyUI must not serve HTTP yet, and adds the same below /api itself."""
    module = sys.modules.get("server")  # importing it would start half of ComfyUI
    if module is not None:
        for name, work in (("photo", tell), ("propose", propose), ("refit", refit)):
            module.PromptServer.instance.routes.post(f"/dressform/hints/{name}")(_answer(work))


def tell(content: dict) -> dict:
    """Returns size and fingerprint of the photo of a request.

    Raises:
        Refused: the photo cannot be had.
    """
    photo = _photo(content, ("photo",))
    if photo.size is None or not photo.fingerprint:
        own, fingerprint = _looked_at(photo.file)
        photo = photo._replace(size=photo.size or own, fingerprint=photo.fingerprint or fingerprint)
    height, width = photo.size or (0, 0)
    return {"width": width, "height": height, "fingerprint": photo.fingerprint}


def propose(content: dict) -> dict:
    """Returns a proposal for the photo of a request, and what is doubtful about it.

    Raises:
        Refused: photo or options cannot be used, or neither garment nor mannequin is found.
    """
    from ..imaging import hints

    photo = _photo(content, ("photo", "options"))
    options = _options(content.get("options", {}))
    parsing, pose = _body(photo.file)
    try:
        document = hints.propose(parsing, pose, photo=parsing.photo, **options)
    except ValueError as error:
        raise Refused(400, "bad-options", str(error)) from error
    return _told(photo, document, parsing.warnings)


def refit(content: dict) -> dict:
    """Returns the document of a request fitted to its photo, and what is doubtful about it.

    Raises:
        Refused: photo or document cannot be used, or neither garment nor mannequin is found.
    """
    from ..imaging import hints, strokes
    from ..imaging import refit as refitting

    photo = _photo(content, ("photo", "document"))
    try:
        document = strokes.from_content(content.get("document"))
    except ValueError as error:
        raise Refused(400, "bad-document", str(error)) from error
    parsing, pose = _body(photo.file)
    settled = hints.settle(parsing, pose).turned  # as the landmarks of a proposal are
    fitted = refitting.refit(document, settled, photo=parsing.photo)
    return _told(photo, fitted, (*refitting.doubts(document), *parsing.warnings))


def _answer(work: Callable[[dict], dict]) -> Callable:
    async def answer(request: web.Request) -> web.Response:
        try:
            body = await body_of(request)
            loop = asyncio.get_running_loop()
            result = await loop.run_in_executor(_worker, lambda: work(parsed(body)))
        except Refused as refusal:
            told = {"code": refusal.code, "error": refusal.sentence}
            return web.json_response(told, status=refusal.status)
        return web.json_response(result)

    return answer


async def body_of(request: web.Request, limit: int = MAX_BODY_BYTES) -> bytes:
    """Reads no more than may come; ComfyUI itself would take a hundred megabytes."""
    body = bytearray()
    too_large = (request.content_length or 0) > limit
    if not too_large:
        async for chunk in request.content.iter_chunked(CHUNK_BYTES):
            body += chunk
            if len(body) > limit:
                too_large = True
                break
    if too_large:
        raise Refused(
            413,
            "body-too-large",
            f"a request must have at most {limit} bytes, got more. Draw fewer strokes.",
        )
    return bytes(body)


def parsed(body: bytes) -> dict:
    """Reads the JSON object of a request."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "not-json", "a request must be JSON, got something else.") from None
    if not isinstance(content, dict):
        raise Refused(400, "bad-request", "a request must be an object, got something else.")
    return content


def _photo(content: dict, keys: tuple[str, ...]) -> _Photo:
    from ..imaging import strokes

    unknown = sorted(set(content) - set(keys))
    if unknown:
        raise Refused(
            400,
            "bad-request",
            f"a request must have {', '.join(keys)}, got also {repr(unknown)[:80]}.",
        )
    given = content.get("photo")
    file = photo_files.find(given)
    given = given or {}
    # The rules for a photo in a document are those for a photo in a request.
    described = {"version": strokes.VERSION, "photo": given.get("fingerprint") or "", "strokes": []}
    size = [given.get("height"), given.get("width")]
    is_own = size == [None, None]
    described |= {"height": 1, "width": 1} if is_own else {"height": size[0], "width": size[1]}
    try:
        checked = strokes.from_content(described)
    except ValueError as error:
        raise Refused(400, "bad-photo", str(error)) from error
    return _Photo(file, None if is_own else (checked.height, checked.width), checked.photo)


def _options(given: Any) -> dict:
    good = isinstance(given, dict) and all(
        name in OPTIONS and isinstance(value, OPTIONS[name]) for name, value in given.items()
    )
    if not good:
        wanted = ", ".join(f"{name} ({kind.__name__})" for name, kind in OPTIONS.items())
        raise Refused(400, "bad-options", f"options must be some of {wanted}, got something else.")
    return given


def _body(file: photo_files.File) -> "tuple[Parsing, Pose]":
    stamp = file.path.stat()
    parsing, pose = _read(file, stamp.st_mtime_ns, stamp.st_size)
    if pose is None:
        raise Refused(
            400,
            "no-body",
            "the photo must show a garment or a mannequin, got one where neither is found. Draw "
            "the strokes yourself, or choose another photo.",
        )
    return parsing, pose


@functools.lru_cache(maxsize=KEPT_PARSINGS)
def _read(file: photo_files.File, _changed_ns: int, _bytes: int) -> "tuple[Parsing, Pose | None]":
    """Parses a photo once, however often a proposal for it is wanted."""
    from ..imaging import body, parse

    parsing = parse.parse(photo_files.load(file))
    try:
        return parsing, body.locate(parsing)
    except ValueError:
        return parsing, None


def _looked_at(file: photo_files.File) -> tuple[tuple[int, int], str]:
    """Size and fingerprint of a file, without parsing it."""
    from ..imaging import strokes

    picture = photo_files.load(file)
    height, width = picture.shape[:2]
    return (height, width), strokes.fingerprint(picture)


def _told(photo: _Photo, document: "StrokeDocument", warnings: tuple[str, ...]) -> dict:
    """The answer, brought from the file's size to the photo's."""
    from ..imaging import strokes

    if photo.size is not None:
        document = strokes.resized(document, photo.size)
    if photo.fingerprint:
        document = document._replace(photo=photo.fingerprint)
    return {"document": json.loads(strokes.to_json(document)), "warnings": list(warnings)}
