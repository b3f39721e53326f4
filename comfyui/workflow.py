"""A workflow file, in either format, and the values that the command line sets in it."""

import difflib
import json
from pathlib import Path
from typing import Any, NamedTuple

from . import graph, widgets

Prompt = graph.Prompt


class Workflow(NamedTuple):
    """A workflow that a server can run.

    Attributes:
        prompt: In API format: nodes by id.
        document: In UI format, None where the file was in API format.
    """

    prompt: Prompt
    document: dict[str, Any] | None


class Setting(NamedTuple):
    """One NODE.INPUT=VALUE, resolved.

    Attributes:
        node: Id of the node.
        input: Name of its input.
        value: What the prompt gets, unless it is uploaded first.
        upload: The local file that the value names, None where there is nothing to upload.
        is_picture: Whether that file is to be a picture.
    """

    node: str
    input: str
    value: Any
    upload: Path | None = None
    is_picture: bool = False


def load(path: Path) -> dict[str, Any]:
    """Reads a workflow file of either format.

    Raises:
        ValueError: it is no JSON, or no workflow.
        FileNotFoundError: there is no such file.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"a workflow file is required, got {path}, which does not exist. Correct the path."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"{path} must be a workflow in JSON, got: {error}. Save it again from ComfyUI."
        ) from error
    if isinstance(document, dict) and isinstance(document.get("prompt"), dict):
        document = document["prompt"]
    if not is_ui_format(document) and not is_api_format(document):
        raise ValueError(
            f"{path} must be a workflow of ComfyUI, got other JSON. Save it in ComfyUI with "
            "Workflow > Save, or Export (API)."
        )
    return document


def is_ui_format(document: Any) -> bool:
    """Tells whether a document is a drawing of nodes and links, as ComfyUI saves it."""
    return isinstance(document, dict) and isinstance(document.get("nodes"), list)


def is_api_format(document: Any) -> bool:
    """Tells whether a document is what the server runs: nodes by id, each with a class type."""
    return (
        isinstance(document, dict)
        and bool(document)
        and all(isinstance(node, dict) and "class_type" in node for node in document.values())
    )


def prepare(document: dict[str, Any], schemas: graph.Schemas) -> Workflow:
    """Returns a loaded document as the server with these schemas can run it.

    Raises:
        ValueError: it uses nodes that the server does not know.
    """
    if is_ui_format(document):
        return Workflow(graph.to_prompt(document, schemas), document)
    for node_id, node in document.items():
        if node["class_type"] not in schemas:
            raise ValueError(
                f"every node must be known to the server, got {node['class_type']!r} (node "
                f"{node_id}). Install the node pack that brings it, or remove the node."
            )
    return Workflow({k: {"inputs": {}, **node} for k, node in document.items()}, None)


def resolve(text: str, prompt: Prompt, schemas: graph.Schemas) -> Setting:
    """Returns the setting that a NODE.INPUT=VALUE means.

    NODE is an id, a title, or a class type that occurs once. Ids and inputs may have dots.

    Raises:
        ValueError: no node, several nodes or no input is meant; names the candidates.
    """
    target, equals, value = text.partition("=")
    if not equals or "." not in target:
        raise ValueError(
            f"--set must be NODE.INPUT=VALUE, got {text!r}. For example: --set Seed.value=7"
        )
    dots = [index for index, letter in enumerate(target) if letter == "."]
    splits = [(target[:dot], target[dot + 1 :]) for dot in dots]
    found = [(_matching(name, prompt), name, rest) for name, rest in splits]
    known = [entry for entry in found if entry[0]]
    if not known:
        raise ValueError(_no_node(splits[0][0], prompt))
    for nodes, _, rest in known:
        if len(nodes) == 1 and rest in _inputs(nodes[0], prompt, schemas):
            return _setting(nodes[0], rest, value, prompt, schemas)
    nodes, name, rest = known[-1]
    if len(nodes) > 1:
        raise ValueError(
            f"{name!r} must mean one node, got {len(nodes)}: {_listed(nodes, prompt)}. "
            f"Use the id: --set {nodes[0]}.{rest}={value}"
        )
    choices = sorted(_inputs(nodes[0], prompt, schemas))
    raise ValueError(
        f"{_listed(nodes, prompt)} must have the input that --set names, got {rest!r}. "
        f"Its inputs: {', '.join(choices) or 'none'}."
    )


def apply(prompt: Prompt, settings: list[Setting]) -> Prompt:
    """Returns the prompt with the settings made; the given one is left as it is."""
    changed = {key: {**node, "inputs": {**node["inputs"]}} for key, node in prompt.items()}
    for setting in settings:
        changed[setting.node]["inputs"][setting.input] = setting.value
    return changed


def output_nodes(prompt: Prompt, schemas: graph.Schemas) -> list[str]:
    """Returns the ids of the nodes for whose sake the prompt runs."""
    return [k for k, node in prompt.items() if schemas[node["class_type"]].get("output_node")]


def _matching(name: str, prompt: Prompt) -> list[str]:
    if name in prompt:
        return [name]
    titled = [k for k, n in prompt.items() if (n.get("_meta") or {}).get("title") == name]
    return titled or [k for k, n in prompt.items() if n["class_type"] == name]


def _inputs(node: str, prompt: Prompt, schemas: graph.Schemas) -> dict[str, widgets.Input | None]:
    """Returns the inputs that can be set: those of the schema, and those the prompt has."""
    entry = prompt[node]
    inputs: dict[str, widgets.Input | None] = dict.fromkeys(entry["inputs"])
    pending = widgets.declared(schemas.get(entry["class_type"], {}))
    while pending:
        declared = pending.pop(0)
        inputs[declared.name] = declared
        pending += widgets.choice_inputs(declared, entry["inputs"].get(declared.name))
    return inputs


def _setting(node: str, name: str, text: str, prompt: Prompt, schemas: graph.Schemas) -> Setting:
    declared = _inputs(node, prompt, schemas)[name]
    where = f"{_listed([node], prompt)}, input {name!r},"
    if declared is None:
        old = prompt[node]["inputs"].get(name)
        kind = {bool: "BOOLEAN", int: "INT", float: "FLOAT"}.get(type(old), "STRING")
        return Setting(node, name, _value(kind, text, where))
    if declared.uploads:
        return _file_setting(node, name, text, declared, where)
    if not widgets.is_widget(declared) and not isinstance(
        prompt[node]["inputs"].get(name), str | int | float
    ):
        raise ValueError(
            f"{where} takes a connection ({declared.kind}), got a value. Set the value on the "
            "node that is connected there."
        )
    if declared.kind == "COMBO":
        return Setting(node, name, _choice(declared, text))
    kinds = declared.options.get("widgetType") or declared.kind
    return Setting(node, name, _value(kinds, text, where))


def _file_setting(node: str, name: str, text: str, declared: widgets.Input, where: str) -> Setting:
    path = Path(text).expanduser()
    if path.is_file():
        is_picture = bool(declared.options.get("image_upload"))
        return Setting(node, name, path.name, upload=path, is_picture=is_picture)
    if text in declared.options.get("options", ()):
        return Setting(node, name, text)
    raise ValueError(
        f"{where} must be a file here or in the server's input folder, got {text!r}, which is "
        "neither. Correct the path."
    )


def _choice(declared: widgets.Input, text: str) -> Any:
    # Choices may be numbers; the server says which there are where none fits.
    for choice in declared.options.get("options", ()):
        if str(choice) == text:
            return choice
    return text


def _value(kind: str, text: str, where: str) -> Any:
    if kind in ("STRING", "COLOR", widgets.DYNAMIC_COMBO):
        return text
    try:
        value = json.loads(text.lower() if kind == "BOOLEAN" else text)
    except ValueError:
        value = None
    if kind == "FLOAT" and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    expected = {"BOOLEAN": bool, "INT": int, "FLOAT": float}.get(kind)
    if value is None or (expected and type(value) is not expected):
        words = {"BOOLEAN": "true or false", "INT": "a whole number", "FLOAT": "a number"}
        raise ValueError(f"{where} must be {words.get(kind, 'JSON')}, got {text!r}. Correct it.")
    return value


def _no_node(name: str, prompt: Prompt) -> str:
    names = {str((n.get("_meta") or {}).get("title") or n["class_type"]) for n in prompt.values()}
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return (
        f"--set must name a node of the workflow, got {name!r}.{hint} Its nodes: "
        f"{_listed(list(prompt), prompt)}."
    )


def _listed(nodes: list[str], prompt: Prompt) -> str:
    return ", ".join(
        f"{(prompt[k].get('_meta') or {}).get('title') or prompt[k]['class_type']} (id {k})"
        for k in nodes
    )
