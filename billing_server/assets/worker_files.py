"""The files of the worker protocol: what a run reads and makes, here or straight at the store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from flask import Response, redirect, request, send_file
from pydantic import Field

from ..runs.values import Run
from ..runs.worker_api import In, Name, attempt_token, call
from ..runs.worker_api import blueprint as blueprint
from ..services import services
from .book import MAX_BYTES
from .kinds import OTHER

CHUNK = 1 << 20


class SentIn(In):
    """A file that a run made and that is about to be sent."""

    blake3: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(gt=0, le=MAX_BYTES)]
    node: Name
    name: Annotated[str, Field(max_length=4096)]
    type: Annotated[str, Field(max_length=20)] = "output"


@call("POST /runs/<run>/outputs/url", SentIn)
def output_url(run: str, body: SentIn) -> Any:
    """Tells where an output goes: to an address, to this server, or nowhere as it is there."""
    parts, of = services().hosting, _run(run)
    told = {"node": body.node, "name": body.name, "type_": body.type}
    found = parts.assets.awaited(of.account, run, of.attempt, body.blake3, body.bytes, **told)
    if found is None:
        return {"url": None}
    asset, upload = found
    sent = upload._asdict() if upload else {"url": None, "headers": {}}
    return {"asset": asset.id, "method": "PUT"} | sent


@call("PUT /runs/<run>/outputs/<digest>")
def output(run: str, digest: str) -> Any:
    """Takes a file that a run made."""
    parts, told, of = services().hosting, request.args, _run(run)
    request.max_content_length = MAX_BYTES
    asset = parts.assets.output(
        of.account,
        run,
        of.attempt,
        digest,
        _chunks(),
        node=told.get("node", "")[:200],
        name=told.get("name", ""),
        type_=told.get("type", "output")[:20],
    )
    return {"asset": asset.id}


@call("GET /runs/<run>/inputs/<asset>")
def input_file(run: str, asset: str) -> Any:
    """Gives a file that a run reads."""
    assets, of = services().hosting.assets, _run(run)
    return _sent(assets.at(assets.of_input(of.account, run, asset).key))


@call("GET /runs/<run>/models/<digest>")
def model_file(run: str, digest: str) -> Any:
    """Gives weights of the account's own that a run loads."""
    parts = services().hosting
    _run(run)
    return _sent(parts.assets.at(parts.weights.of_run(run, digest).key))


def _run(run: str) -> Run:
    """Returns the run of a current token."""
    return services().hosting.attempts.check(run, attempt_token())


def _sent(place: Path | str) -> Response:
    if isinstance(place, str):
        return redirect(place, 302)  # type: ignore[return-value]
    return send_file(place, mimetype=OTHER, max_age=0)


def _chunks() -> Iterator[bytes]:
    while chunk := request.stream.read(CHUNK):
        yield chunk
