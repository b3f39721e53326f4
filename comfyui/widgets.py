"""Which inputs of a node are widgets, and which saved value belongs to which of them."""

from typing import Any, NamedTuple

# Types that the frontend draws as a widget; everything else is a socket, unless the schema names
# a widget type, or hides the socket, or the saved node lists the input as a widget.
WIDGET_TYPES = frozenset(
    {
        "INT",
        "FLOAT",
        "STRING",
        "BOOLEAN",
        "COMBO",
        "COLOR",
        "COLORS",
        "CURVE",
        "BOUNDING_BOX",
        "BOUNDING_BOXES",
        "IMAGECOMPARE",
        "LOAD_3D",
        "WEBCAM",
        "AUDIO_RECORD",
    }
)
DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"

# The second widget that the frontend puts behind a seed; it stays in the browser.
CONTROL_WORDS = frozenset({"fixed", "increment", "increment-wrap", "decrement", "randomize"})
SEED_NAMES = frozenset({"seed", "noise_seed"})

# Inputs with an upload button: the frontend appends widgets for it behind the required inputs.
UPLOAD_FLAGS = ("image_upload", "video_upload", "audio_upload", "animated_image_upload")


class Input(NamedTuple):
    """An input of a node's schema.

    Attributes:
        name: With dots where it depends on a choice, as the API format has it.
        kind: The type; `COMBO` for a list of choices.
        options: The rest of the schema.
        group: `required` or `optional`.
    """

    name: str
    kind: str
    options: dict[str, Any]
    group: str

    @property
    def uploads(self) -> bool:
        """Whether its value names a file in the server's input folder."""
        return any(self.options.get(flag) for flag in UPLOAD_FLAGS)


def declared(schema: dict[str, Any], prefix: str = "") -> list[Input]:
    """Returns the inputs of a schema (or of a choice's inner schema) in the frontend's order."""
    groups = schema.get("input") or {}
    order = schema.get("input_order") or {}
    inputs = []
    for group in ("required", "optional"):
        entries = groups.get(group) or {}
        for name in order.get(group) or entries:
            kind, *rest = entries[name]
            options = dict(rest[0]) if rest and isinstance(rest[0], dict) else {}
            if isinstance(kind, list):
                options.setdefault("options", kind)
                kind = "COMBO"
            inputs.append(Input(prefix + name, str(kind), options, group))
    return inputs


def choice_inputs(combo: Input, key: Any) -> list[Input]:
    """Returns the inputs that one choice of a dynamic combo brings, named `combo.input`."""
    choices = combo.options.get("options", ()) if combo.kind == DYNAMIC_COMBO else ()
    for choice in choices:
        if choice.get("key") == key:
            return declared({"input": choice.get("inputs")}, prefix=combo.name + ".")
    return []


def is_widget(entry: Input, drawn: frozenset[str] = frozenset()) -> bool:
    """Tells whether the frontend draws an input as a widget.

    Args:
        entry: The input.
        drawn: Names that the saved node lists as widgets.
    """
    if entry.options.get("forceInput"):
        return False
    named = entry.options.get("widgetType") or entry.options.get("socketless")
    return bool(named) or entry.kind in WIDGET_TYPES | {DYNAMIC_COMBO} or entry.name in drawn


def values(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Returns the value of each widget of a saved node, by input name.

    Args:
        schema: The node's entry in /object_info.
        node: The node of a UI-format document.

    Returns:
        Values as saved; an input that the file is too short for is left out.
    """
    inputs = declared(schema)
    for saved in (node.get("widgets_values_named"), node.get("widgets_values")):
        if isinstance(saved, dict):
            names = {entry.name for entry in _expanded(inputs, saved)}
            return {name: value for name, value in saved.items() if name in names}
    drawn = frozenset(
        entry["widget"].get("name", entry.get("name"))
        for entry in node.get("inputs") or ()
        if entry.get("widget")
    )
    return _in_order(inputs, list(node.get("widgets_values") or ()), drawn)


def defaults(schema: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Returns what the frontend fills in for widgets that a file says nothing about.

    Args:
        schema: The node's entry in /object_info.
        given: The values that the file has; they decide what dynamic combos bring.
    """
    found: dict[str, Any] = {}
    pending = declared(schema)
    while pending:
        entry = pending.pop(0)
        choices = entry.options.get("options")
        if not is_widget(entry):
            continue
        if "default" in entry.options:
            found[entry.name] = entry.options["default"]
        elif entry.kind == "COMBO" and choices:
            found[entry.name] = choices[0]
        elif entry.kind == DYNAMIC_COMBO and choices:
            found[entry.name] = choices[0].get("key")
        pending[:0] = choice_inputs(entry, given.get(entry.name, found.get(entry.name)))
    return {name: value for name, value in found.items() if name not in given}


def _in_order(inputs: list[Input], saved: list[Any], drawn: frozenset[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    uploads = sum(_upload_widgets(entry) for entry in inputs if entry.group == "required")
    pending = [*inputs]
    while pending and saved:
        entry = pending.pop(0)
        if entry.group == "optional" and uploads:
            del saved[:uploads]
            uploads = 0
            if not saved:
                break
        if not is_widget(entry, drawn):
            continue
        found[entry.name] = saved.pop(0)
        if entry.kind == DYNAMIC_COMBO:
            pending[:0] = choice_inputs(entry, found[entry.name])
        del saved[: _control_widgets(entry, saved)]
    return found


def _control_widgets(entry: Input, following: list[Any]) -> int:
    """Returns how many of the following values belong to the control behind an input."""
    controlled = entry.options.get("control_after_generate")
    seed = entry.kind == "INT" and (controlled or entry.name.split(".")[-1] in SEED_NAMES)
    combo = entry.kind == "COMBO" and controlled
    if not (seed or combo) or not following or following[0] not in CONTROL_WORDS:
        return 0
    # A combo has a filter text as well.
    return 2 if combo and len(following) > 1 and isinstance(following[1], str) else 1


def _upload_widgets(entry: Input) -> int:
    # The audio button comes with a player.
    return (2 if entry.options.get("audio_upload") else 1) if entry.uploads else 0


def _expanded(inputs: list[Input], saved: dict[str, Any]) -> list[Input]:
    """Returns the inputs with those that the saved choices of dynamic combos bring."""
    result = []
    pending = [*inputs]
    while pending:
        entry = pending.pop(0)
        result.append(entry)
        if entry.kind == DYNAMIC_COMBO:
            pending[:0] = choice_inputs(entry, saved.get(entry.name))
    return result
