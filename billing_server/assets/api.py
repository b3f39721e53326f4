"""Comfy API v2: assets, each of the account that uploaded or made it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import IO, Any

from flask import Response, abort, redirect, request, send_file
from werkzeug.datastructures import FileStorage

from ..runs.comfy_api import account, body, call, hosting
from ..runs.values import RunError
from ..services import services
from .book import KEPT, MAX_BYTES, Asset
from .weights import MAX_BYTES as MAX_WEIGHTS
from .weights import Weights

CHUNK = 1 << 20
MAX_FIELDS = 1 << 16  # bytes of a form beside its file
# A file is never shown by a browser as a page of this server.
SANDBOX = "default-src 'none'; sandbox"


@call("POST /assets", "run")
def upload_asset() -> Any:
    """Takes a file; the same again is the same asset."""
    assets = hosting().assets
    with _file(MAX_BYTES, assets.room) as file:
        asset, new = assets.upload(
            account(),
            _chunks(file.stream),
            request.form.get("file_path") or file.filename or "file",
            expected=request.form.get("expected_hash"),
            kept=_kept(request.form.get("expires_in")),
        )
    return _view(asset) | {"created_new": new}, 201


@call("POST /assets/from-hash", "run")
def asset_from_hash() -> Any:
    """Names bytes that this account has already; of others' bytes nobody learns."""
    told = body("hash", "file_path", "tags")
    name = told.get("file_path") or "file"
    if not isinstance(told.get("hash"), str) or not isinstance(name, str):
        raise RunError("invalid", 422, "hash and file_path must be texts. Send them.")
    asset, _ = hosting().assets.again(account(), told["hash"], name)
    return _view(asset) | {"created_new": False}, 201


@call("HEAD /assets/by-hash/<hash_>", "run", "read")
def has_asset(hash_: str) -> Any:
    """Tells whether this account has such bytes."""
    return "", 200 if hosting().assets.by_hash(account(), hash_) else 404


@call("GET /assets/<id_>", "run", "read")
def get_asset(id_: str) -> Any:
    """Describes an asset."""
    return _view(hosting().assets.get(account(), id_))


@call("DELETE /assets/<id_>", "run")
def delete_asset(id_: str) -> Any:
    """Forgets an asset."""
    hosting().assets.delete(account(), id_)
    return "", 204


@call("GET /assets/<id_>/content", "run", "read")
def asset_content(id_: str) -> Response:
    """Gives the bytes, or a range of them, or sends to where they are."""
    return sent(hosting().assets.get(account(), id_))


def sent(asset: Asset, *, as_file: bool = True) -> Response:
    """Answers with the bytes of an asset, which no browser takes for a page of this server."""
    place = hosting().assets.path(asset)
    if isinstance(place, str):  # for a short while, to be saved and not shown
        response: Any = redirect(place, 302)
    else:
        response = send_file(
            place,
            mimetype=asset.content_type,
            as_attachment=as_file,
            download_name=asset.file_path,
            etag=asset.hash,
            max_age=0,
        )
    response.headers |= {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": SANDBOX}
    response.headers["Cache-Control"] = "private, no-store"
    return response


@call("POST /models", "run")
def upload_model() -> Any:
    """Takes weights for the runs of this account; the same again are the same."""
    shelf = hosting().weights
    with _file(MAX_WEIGHTS, shelf.room) as file:
        made, new = shelf.upload(
            account(),
            _chunks(file.stream),
            request.form.get("folder", ""),
            request.form.get("name") or file.filename or "",
            request.form.get("license", ""),
        )
    return _weights_view(made) | {"created_new": new}, 201


@call("GET /models", "run", "read")
def list_models() -> Any:
    """Lists the weights of this account."""
    return {"models": [_weights_view(one) for one in hosting().weights.of(account())]}


@call("DELETE /models/<id_>", "run")
def delete_model(id_: str) -> Any:
    """Forgets weights."""
    hosting().weights.delete(account(), id_)
    return "", 204


def output_view(asset: Asset, url: str) -> dict[str, Any]:
    """Writes an asset as the output of a job."""
    kind, _, rest = asset.content_type.partition("/")
    if kind not in ("image", "video", "audio", "text"):
        kind = "latent" if rest == "x-safetensors" else "file"
    return {
        "node_id": asset.node,
        "name": asset.file_path,
        "type": kind,
        "content_type": asset.content_type,
        "size_bytes": asset.bytes,
        "id": asset.id,
        "hash": f"blake3:{asset.hash}",
        "url": f"{url}/api/v2/assets/{asset.id}/content",
        "url_expires_at": asset.expires_at.isoformat(),
        "job_id": asset.run,
    }


def _view(asset: Asset) -> dict[str, Any]:
    return {
        "id": asset.id,
        "hash": f"blake3:{asset.hash}",
        "size_bytes": asset.bytes,
        "content_type": asset.content_type,
        "file_path": asset.file_path,
        "created_at": asset.created_at.isoformat(),
        "url": f"{services().settings.url}/api/v2/assets/{asset.id}/content",
        "url_expires_at": asset.expires_at.isoformat(),
        "expires_at": asset.expires_at.isoformat(),
        "job_id": asset.run,
    }


def _weights_view(weights: Weights) -> dict[str, Any]:
    told = weights._asdict() | {"created_at": weights.created_at.isoformat()}
    return {name: told[name] for name in told if name not in ("account", "key")}


@contextmanager
def _file(most: int, room: Callable[[int, int], object]) -> Iterator[FileStorage]:
    """Gives the file of a form, of which nothing is read or spooled before there is room for it."""
    size = request.content_length
    if size is None:
        raise RunError("length_required", 411, "A Content-Length is required, got none. Send it.")
    request.max_content_length = most + MAX_FIELDS
    if size > request.max_content_length:
        abort(413)
    room(account(), max(0, size - MAX_FIELDS))
    with hosting().blobs.uploads.admitted(account(), size):
        if (file := request.files.get("file")) is None:
            raise RunError("invalid", 422, "A part named file is required, got none. Send it.")
        yield file


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def _kept(told: str | None) -> timedelta:
    """Reads for how many seconds an asset shall be kept."""
    if told is None:
        return KEPT
    if not (told.isascii() and told.isdecimal() and len(told) < 10):
        raise RunError("invalid", 422, "expires_in must be whole seconds. Send 60 to 604800.")
    return timedelta(seconds=int(told))
