"""What Stripe's API takes, by the SDK's own descriptions of parameters."""

import re
import sys
from functools import cache
from types import SimpleNamespace, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from stripe._request_options import RequestOptions

OPTIONS = frozenset(RequestOptions.__annotations__)  # go into headers


class ParameterError(ValueError):
    """A parameter that Stripe would refuse."""

    def __init__(self, code: str, parameter: str, text: str) -> None:
        super().__init__(text)
        self.code, self.parameter = code, parameter


def parse(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Reads `a[b][0]=c` as nested dicts and lists."""
    tree: dict[str, Any] = {}
    for name, value in pairs:
        path = re.findall(r"[^\[\]]+", name)
        node = tree
        for step in path[:-1]:
            node = node.setdefault(step, {})
        node[path[-1]] = value
    return {name: _lists(value) for name, value in tree.items()}


def _lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(name.isdigit() for name in node):
        return [_lists(node[name]) for name in sorted(node, key=int)]
    return {name: _lists(value) for name, value in node.items()}


def check(described: type, given: Any, path: str = "") -> dict[str, Any]:
    """Returns parameters with numbers and booleans read; refuses what the description lacks.

    Raises:
        ParameterError: A parameter is unknown, missing or of the wrong type.
    """
    hints = _hints(described)
    for name in given:
        if name not in hints:
            where = f"{path}[{name}]" if path else name
            raise ParameterError("parameter_unknown", where, f"Received unknown parameter: {where}")
    required = getattr(described, "__required_keys__", frozenset())
    for name in required - OPTIONS:
        if name not in given:
            where = f"{path}[{name}]" if path else name
            raise ParameterError("parameter_missing", where, f"Missing required param: {where}.")
    return {
        name: _read(hints[name], value, f"{path}[{name}]" if path else name)
        for name, value in given.items()
    }


@cache
def _hints(described: type) -> dict[str, Any]:
    written = described.__annotations__
    own = {name: hint for name, hint in written.items() if name not in OPTIONS}
    names = vars(sys.modules[described.__module__])
    return get_type_hints(SimpleNamespace(__annotations__=own), names)


def _read(hint: Any, value: Any, path: str) -> Any:
    kinds = _kinds(hint)
    if isinstance(value, list):
        inner = [get_args(kind)[0] for kind in kinds if get_origin(kind) is list]
        if inner:
            return [_read(inner[0], one, f"{path}[{n}]") for n, one in enumerate(value)]
    elif isinstance(value, dict):
        for kind in kinds:
            if hasattr(kind, "__required_keys__"):  # a TypedDict, whoever made it
                return check(kind, value, path)
        if any(get_origin(kind) is dict for kind in kinds):
            return value
    else:
        words = [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
        if value in words or (str in kinds and not any(words)):
            return value
        if bool in kinds and value in ("true", "false"):
            return value == "true"
        if int in kinds and re.fullmatch(r"-?\d+", value):
            return int(value)
    raise ParameterError("parameter_invalid", path, f"Invalid value for {path}: {value!a:.60}")


def _kinds(hint: Any) -> list[Any]:
    if get_origin(hint) in (Union, UnionType):
        return [kind for one in get_args(hint) for kind in _kinds(one)]
    return [hint]
