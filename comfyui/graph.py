"""From the UI format (a drawing of nodes and links) to the API format (what the server runs).

Follows the rules of the frontend's graphToPrompt: muted and bypassed nodes, reroutes, primitives
and subgraphs are resolved here, because the server knows none of them.
"""

from typing import Any, NamedTuple

from . import widgets

MUTED, BYPASSED = 2, 4
SUBGRAPH_INPUT, SUBGRAPH_OUTPUT = "-10", "-20"
NOTES = frozenset({"Note", "MarkdownNote"})
REROUTE, PRIMITIVE = "Reroute", "PrimitiveNode"
MAX_DEPTH = 100  # of subgraphs in each other and of links through reroutes: more is a circle

Prompt = dict[str, dict[str, Any]]
Schemas = dict[str, dict[str, Any]]


class Link(NamedTuple):
    """A connection inside one graph."""

    origin: str
    origin_slot: int
    target: str
    target_slot: int


class Constant(NamedTuple):
    """A value that arrives where a link was expected: from a primitive or a promoted widget."""

    value: Any


class Source(NamedTuple):
    """The output that a link leads to in the end."""

    node: str
    slot: int


class Scope:
    """One drawn graph: the document itself, or a subgraph as one of its nodes uses it."""

    def __init__(
        self, drawn: dict, definitions: dict[str, dict], outer: "Scope | None", host: dict
    ):
        self.nodes = {str(node["id"]): node for node in drawn.get("nodes", ())}
        self.links = {link_id: link for link_id, link in map(_link, drawn.get("links") or ())}
        self.definition = drawn
        self.definitions = definitions
        self.outer = outer
        self.host = host
        self.prefix = f"{outer.prefix}{host['id']}:" if outer else ""
        self.depth = outer.depth + 1 if outer else 0
        self._inner: dict[str, Scope] = {}
        self.promoted = _promoted(self) if outer else {}
        if self.depth > MAX_DEPTH:
            raise ValueError(
                f"subgraphs must not contain themselves, got a circle at node {host['id']}. "
                "Open the workflow in ComfyUI and unpack that subgraph."
            )

    def inner(self, node: dict) -> "Scope | None":
        """Returns the subgraph behind a node of this graph, None for an ordinary node."""
        definition = self.definitions.get(str(node.get("type")))
        if definition is None:
            return None
        key = str(node["id"])
        if key not in self._inner:
            self._inner[key] = Scope(definition, self.definitions, self, node)
        return self._inner[key]


def to_prompt(document: dict[str, Any], schemas: Schemas) -> Prompt:
    """Converts a UI-format document to the API format.

    Args:
        document: The workflow as ComfyUI saves it.
        schemas: /object_info of the server that will run it.

    Raises:
        ValueError: a node is not known to the server, or is a group node.
    """
    definitions = (document.get("definitions") or {}).get("subgraphs") or ()
    scope = Scope(document, {str(d["id"]): d for d in definitions}, None, {})
    prompt: Prompt = {}
    _convert(scope, schemas, prompt)
    for node in prompt.values():
        # Links to what does not run: a muted node, or a branch that leads to one.
        node["inputs"] = {
            name: value
            for name, value in node["inputs"].items()
            if not (_is_link(value) and value[0] not in prompt)
        }
    return prompt


def _convert(scope: Scope, schemas: Schemas, prompt: Prompt) -> None:
    for node in scope.nodes.values():
        kind = str(node.get("type"))
        if node.get("mode") in (MUTED, BYPASSED) or kind in NOTES | {REROUTE, PRIMITIVE}:
            continue
        inner = scope.inner(node)
        if inner is not None:
            _convert(inner, schemas, prompt)
            continue
        prompt[scope.prefix + str(node["id"])] = _entry(scope, node, _schema(node, schemas))


def _schema(node: dict, schemas: Schemas) -> dict[str, Any]:
    kind = str(node.get("type"))
    if kind.startswith(("workflow>", "workflow/")):
        raise ValueError(
            f"group nodes are not supported, got {kind!r}. Open the workflow in ComfyUI, convert "
            "the group node to nodes or to a subgraph, and save it again."
        )
    if kind not in schemas:
        raise ValueError(
            f"every node must be known to the server, got {kind!r} (node {node['id']}). Install "
            "the node pack that brings it, or remove the node."
        )
    return schemas[kind]


def _entry(scope: Scope, node: dict, schema: dict[str, Any]) -> dict[str, Any]:
    given = widgets.values(schema, node)
    given = {**widgets.defaults(schema, given), **given}
    given.update(scope.promoted.get(str(node["id"]), {}))
    # A list would be read as a link.
    inputs = {
        name: {"__value__": value} if isinstance(value, list) else value
        for name, value in given.items()
    }
    for slot, entry in enumerate(node.get("inputs") or ()):
        if entry.get("link") is None:
            continue
        name = (entry.get("widget") or {}).get("name") or entry["name"]
        found = _origin(scope, node, slot, 0)
        if isinstance(found, Constant):
            inputs[name] = found.value
        elif found is not None:
            inputs[name] = [found.node, found.slot]
    title = node.get("title") or schema.get("display_name") or node["type"]
    return {"class_type": node["type"], "inputs": inputs, "_meta": {"title": title}}


def _origin(scope: Scope, node: dict, slot: int, depth: int) -> Source | Constant | None:
    """Returns what feeds an input of a node, through everything that the server does not know."""
    inputs = node.get("inputs") or ()
    link = scope.links.get(inputs[slot].get("link")) if slot < len(inputs) else None
    if link is None:
        return None
    if depth > MAX_DEPTH:
        raise ValueError(
            f"links must not run in a circle, got one at node {node['id']}. Open the workflow "
            "in ComfyUI and cut it."
        )
    if link.origin == SUBGRAPH_INPUT:
        return _from_outside(scope, link.origin_slot, depth)
    return _output(scope, scope.nodes.get(link.origin), link.origin_slot, depth)


def _output(scope: Scope, node: dict | None, slot: int, depth: int) -> Source | Constant | None:
    if node is None:
        return None
    if node.get("mode") == BYPASSED:
        return _bypass(scope, node, slot, depth)
    if node.get("type") == REROUTE:
        return _origin(scope, node, 0, depth + 1)
    if node.get("type") == PRIMITIVE:
        saved = node.get("widgets_values") or [None]
        return Constant(saved[0] if isinstance(saved, list) else saved.get("value"))
    inner = scope.inner(node)
    if inner is None or node.get("mode") == MUTED:
        return Source(scope.prefix + str(node["id"]), slot)
    for link in inner.links.values():
        if link.target == SUBGRAPH_OUTPUT and link.target_slot == slot:
            if link.origin == SUBGRAPH_INPUT:
                return _from_outside(inner, link.origin_slot, depth + 1)
            return _output(inner, inner.nodes.get(link.origin), link.origin_slot, depth + 1)
    return None


def _from_outside(scope: Scope, slot: int, depth: int) -> Source | Constant | None:
    """Returns what feeds the subgraph's input number `slot`, seen from the graph around it."""
    if scope.outer is None:
        return None
    name = scope.definition["inputs"][slot]["name"]
    for index, entry in enumerate(scope.host.get("inputs") or ()):
        if entry.get("name") == name:
            return _origin(scope.outer, scope.host, index, depth + 1)
    return None


def _bypass(scope: Scope, node: dict, slot: int, depth: int) -> Source | Constant | None:
    outputs, inputs = node.get("outputs") or (), node.get("inputs") or ()
    if slot >= len(outputs):
        return None
    kind = outputs[slot].get("type")
    # The input opposite, where it has the type; else the first that has it; else one of any type.
    order = [slot, *range(len(inputs))] if slot < len(inputs) else [*range(len(inputs))]
    for fits in ({kind}, {"*", kind} if kind != "*" else {entry.get("type") for entry in inputs}):
        for index in order:
            if inputs[index].get("type") in fits:
                return _origin(scope, node, index, depth + 1)
    return None


def _promoted(scope: Scope) -> dict[str, dict[str, Any]]:
    """Returns the values that the node around a subgraph sets: inner node id -> input -> value."""
    host = scope.host
    saved = host.get("widgets_values")
    shown = (host.get("properties") or {}).get("proxyWidgets")
    found: dict[str, dict[str, Any]] = {}
    slots = {entry["name"]: entry for entry in scope.definition.get("inputs") or ()}
    if not shown:
        # The inputs of the definition that lead to a widget, whether the host lists them or not.
        shown = [("-1", name) for name, slot in slots.items() if _inside(scope, slot)]
    if isinstance(saved, list):
        # Older files keep the values inside: then there are none here, or not as many.
        saved = dict(zip((tuple(pair[:2]) for pair in shown), saved, strict=False))
    else:
        saved = {("-1", name): value for name, value in (saved or {}).items()}
    around = scope.outer.promoted if scope.outer else {}
    saved.update({("-1", n): v for n, v in around.get(str(host["id"]), {}).items()})
    for (node_id, name), value in saved.items():
        if value is None:
            continue
        if str(node_id) == "-1":
            for target, entry_name in _inside(scope, slots.get(name)):
                found.setdefault(target, {})[entry_name] = value
        else:
            found.setdefault(str(node_id), {})[name] = value
    return found


def _inside(scope: Scope, slot: dict | None) -> list[tuple[str, str]]:
    """Returns the inner node id and input name of each widget behind a subgraph's input."""
    found = []
    for link_id in (slot or {}).get("linkIds") or ():
        link = scope.links.get(link_id)
        node = scope.nodes.get(link.target) if link else None
        for entry in (node or {}).get("inputs") or ():
            if link and entry.get("link") == link_id and entry.get("widget"):
                found.append((link.target, entry["widget"].get("name") or entry["name"]))
    return found


def _link(drawn: Any) -> tuple[Any, Link]:
    if isinstance(drawn, dict):
        return drawn["id"], Link(
            str(drawn["origin_id"]),
            int(drawn["origin_slot"]),
            str(drawn["target_id"]),
            int(drawn["target_slot"]),
        )
    link_id, origin, origin_slot, target, target_slot = drawn[:5]
    return link_id, Link(str(origin), int(origin_slot), str(target), int(target_slot))


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
