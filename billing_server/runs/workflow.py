"""What a submitted workflow may be: bounds of its JSON, its graph, its texts. Pure."""

import json
import math
from collections.abc import Iterator, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any, NamedTuple

from . import texts
from .values import RunError, invalid

MAX_BYTES = 1 << 20
MAX_NODES = 2_000
MAX_DEPTH = 32
MAX_TEXT = 20_000  # characters of one input
MAX_NAME = 200  # characters of a node's id, class, or an input's name
MAX_INT = 2**64 - 1  # seeds
LIMITS = {  # of numbers whose size is memory or time
    "width": 16_384,
    "height": 16_384,
    "batch_size": 64,
    "steps": 1_000,
    "amount": 64,
    "length": 4_096,
    "upscale_by": 16,
    "scale_by": 16,
}
UI_KEYS = {"nodes", "links"}
ASSET = "core/ASSET"
ALIKE = ("width", "height", "batch_size", "steps", "length", "scale_by", "amount")


class Workflow(NamedTuple):
    """What the rest of the server needs to know of a workflow that may be run."""

    graph: dict[str, Any]
    classes: frozenset[str]
    models: tuple[tuple[str, str], ...]  # folder, or empty if the input does not tell it, and name
    assets: frozenset[str]
    shape: bytes


def parse(text: bytes) -> Any:
    """Reads JSON that means the same to everybody: no NaN, no key twice, not too deep.

    Raises:
        RunError: It is not.
    """
    if len(text) > MAX_BYTES:
        raise RunError("too_large", 413, f"At most {MAX_BYTES} bytes are taken, got {len(text)}.")
    try:
        value = json.loads(text, parse_constant=_no_number, object_pairs_hook=_once)
        _bounded(value, 0)
    except RecursionError:
        raise _deep() from None
    except ValueError as error:
        raise invalid(f"JSON is required, got {error!s:.100}. Write it again.") from None
    return value


def _no_number(name: str) -> Any:
    raise ValueError(f"{name}, which is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name twice in an object")
    return made


def _deep() -> RunError:
    return invalid(f"JSON nested at most {MAX_DEPTH} deep is required, got more. Flatten it.")


def _bounded(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _deep()
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            _bounded(one, depth + 1)
        for name in value if isinstance(value, dict) else ():
            _bounded(name, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number too large")
    elif isinstance(value, int) and abs(value) > MAX_INT:
        raise ValueError("a whole number too large")
    elif isinstance(value, str):
        if "\0" in value:
            raise ValueError("a NUL in a text")
        value.encode()  # no half of a surrogate pair


def check(graph: Any) -> Workflow:
    """Checks everything that can be checked without knowing workers and assets.

    Raises:
        RunError: The workflow is in the format of the editor, or broken, or reaches for files.
    """
    if not isinstance(graph, dict) or not graph:
        raise invalid("A workflow with nodes is required, got none. Export it in the API format.")
    if set(graph) >= UI_KEYS:
        text = "The API format is required, got that of the editor. Export the workflow for the API"
        raise RunError("workflow_format_ui", 422, text + ".")
    if len(graph) > MAX_NODES:
        raise invalid(f"At most {MAX_NODES} nodes are possible, got {len(graph)}. Split it.")
    for id_, node in graph.items():
        _check_node(id_, node)
    _check_links(graph)
    models, assets = [], []
    for id_, node in graph.items():
        for name, value in node["inputs"].items():
            where = f"{name} of node {id_} ({node['class_type']})"
            if is_asset(value):
                assets.append(_asset_id(value, where))
                continue
            if _has_asset(value):
                raise invalid(f"{where} must be the asset itself, got one in a value. Move it up.")
            texts.check(node["class_type"], name, value, where)
            for one in texts.within(value):
                if len(one) > MAX_TEXT:
                    raise invalid(f"{where} must be at most {MAX_TEXT} characters. Shorten it.")
                if (model := texts.model(name, one)) is not None:
                    models.append(model)
            if (limit := LIMITS.get(name)) and not 0 <= _number(value) <= limit:
                raise invalid(f"{where} must be from 0 to {limit}, got {value!a:.60}. Choose less.")
    classes = frozenset(node["class_type"] for node in graph.values())
    return Workflow(graph, classes, tuple(dict.fromkeys(models)), frozenset(assets), _shape(graph))


def is_asset(value: Any) -> bool:
    """Says whether an input names an asset."""
    return isinstance(value, dict) and value.get("__type") == ASSET


def _has_asset(value: Any) -> bool:
    """Says whether an asset is named anywhere in a value."""
    if isinstance(value, list):
        return any(_has_asset(one) for one in value)
    return is_asset(value) or (isinstance(value, dict) and _has_asset([*value.values()]))


def bind(
    graph: dict[str, Any],
    names: Mapping[str, str],
    models: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Returns the graph with names of files as the worker has them.

    Args:
        graph: As it was submitted.
        names: By the asset that was named.
        models: Of the account's own weights, by the folder and name that were asked for.
    """

    def bound(name: str, value: Any) -> Any:
        if is_asset(value):
            return names[value["info"]["id"]]
        if isinstance(value, str) and (asked := texts.model(name, value)):
            return models.get(asked, value)
        if isinstance(value, list):
            return [bound(name, one) for one in value]
        if isinstance(value, dict):
            return {key: bound(name, one) for key, one in value.items()}
        return value

    return {
        id_: node | {"inputs": {name: bound(name, one) for name, one in node["inputs"].items()}}
        for id_, node in graph.items()
    }


def _asset_id(value: dict[str, Any], where: str) -> str:
    info = value.get("info")
    id_ = info.get("id") if isinstance(info, dict) else None
    if not isinstance(id_, str) or not 0 < len(id_) <= MAX_NAME:
        text = f"{where} must name an asset by info.id, got {id_!a:.60}. Upload it first."
        raise RunError("missing_asset", 422, text)
    return id_


def _check_node(id_: str, node: Any) -> None:
    if not isinstance(node, dict) or not isinstance(node.get("class_type"), str):
        raise invalid(f"A class_type is required in node {id_:.60}, got none. Export it again.")
    for name in (id_, node["class_type"]):
        if not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise invalid(f"A short printable name is required, got {name!a:.60}. Rename it.")
    if not isinstance(node.setdefault("inputs", {}), dict):
        raise invalid(f"An object is required as inputs of node {id_}. Export it again.")
    if not all(0 < len(name) <= MAX_NAME and name.isprintable() for name in node["inputs"]):
        raise invalid(f"Short printable names are required for inputs of node {id_}. Rename them.")


def sources(node: dict[str, Any]) -> Iterator[str]:
    """Yields the nodes that a node takes something from."""
    for value in node["inputs"].values():
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
            if isinstance(value[1], int | float):  # true as well, as ComfyUI has it
                yield value[0]


def _check_links(graph: dict[str, Any]) -> None:
    """Refuses links into nowhere and circles, without recursion."""
    waiting = {}
    for id_, node in graph.items():
        waiting[id_] = set(sources(node))
        if lost := waiting[id_] - graph.keys():
            raise invalid(f"Node {id_} takes from node {min(lost):.60}, which is missing. Link it.")
    feeds: dict[str, list[str]] = {}
    for id_, before in waiting.items():
        for one in before:
            feeds.setdefault(one, []).append(id_)
    ready = [id_ for id_, before in waiting.items() if not before]
    while ready:
        for id_ in feeds.get(done := ready.pop(), ()):
            waiting[id_].discard(done)
            if not waiting[id_]:
                ready.append(id_)
        del waiting[done]
    if waiting:
        raise invalid(f"A graph without circles is required, got one with node {min(waiting)}.")


def _shape(graph: dict[str, Any]) -> bytes:
    """Digests what decides how long a run takes: classes, models and sizes."""
    told = []
    for node in graph.values():
        inputs = node["inputs"].items()
        sizes = [f"{name}={one}" for name, one in inputs if name in ALIKE and _is_number(one)]
        models = [one for name, one in inputs if isinstance(one, str) and texts.model(name, one)]
        told.append([node["class_type"], *sorted(sizes), *sorted(models)])
    told.sort()
    return sha256(json.dumps(told).encode()).digest()


def _number(value: Any) -> float:
    """Returns the number that ComfyUI makes of an input; 0 of a link, or of what is none."""
    while isinstance(value, dict) and "__value__" in value:
        value = value["__value__"]
    try:
        return float(value) if isinstance(value, int | float | str) else 0.0
    except ValueError:
        return 0.0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
