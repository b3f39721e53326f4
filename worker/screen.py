"""Looks through a workflow before it runs here: files, hidden inputs, what may stay cached."""

import secrets
from collections.abc import Collection, Mapping
from typing import Any

from ..comfyui import widgets
from .protocol import WorkerError, WorkflowError

# What only a frontend sends beside a workflow; a workflow of ours never carries them.
SECRETS = frozenset({"api_key_comfy_org", "auth_token_comfy_org"})
NONCE = "dressform_attempt"


def prepare(
    workflow: Mapping[str, Any],
    schemas: Mapping[str, Any],
    files: Collection[str],
    *,
    weights: Collection[str] = (),
    again: bool,
) -> dict[str, dict[str, Any]]:
    """Returns the prompt that ComfyUI gets.

    Every input that names a file has to name one that came with the run, letter by letter: so
    neither a path nor `x.png [output]` reaches ComfyUI. The server looks for the same; this holds
    where the server is wrong. A choice of nothing names a file too: ComfyUI was asked for its
    nodes while its folders were empty.

    Args:
        workflow: In API format.
        schemas: Of ComfyUI's nodes.
        files: Names of the run's inputs.
        weights: Names of the run's own weights.
        again: Whether this ComfyUI has run something already. Then nodes that save get an input
            that they do not know: a saved file that was wiped must not be taken for there.

    Raises:
        WorkflowError: an input names another file.
        WorkerError: this ComfyUI does not know a node.
    """
    prompt = {}
    for node, told in workflow.items():
        kind, inputs = _parts(node, told)
        schema = schemas.get(kind)
        if schema is None:
            raise WorkerError(
                "environment",
                f"node {node} must be known here, got {kind!a:.80}. Compare the packs of workers.",
            )
        inputs = {name: value for name, value in inputs.items() if name not in SECRETS}
        _require_files(node, schema, inputs, files, weights)
        if again and schema.get("output_node"):
            inputs[NONCE] = secrets.token_hex(8)
        prompt[node] = {"class_type": kind, "inputs": inputs}
    return prompt


def resident(workflow: Mapping[str, Any], known: Mapping[str, str]) -> frozenset[str]:
    """Returns what a workflow loads of the weights that are known here.

    Args:
        workflow: In API format.
        known: What each is called by the server, by the name that nodes know it by.
    """
    named = {
        value
        for told in workflow.values()
        for value in told.get("inputs", {}).values()
        if isinstance(value, str)
    }
    return frozenset(called for name, called in known.items() if name in named)


def _parts(node: str, told: Any) -> tuple[str, dict[str, Any]]:
    kind = told.get("class_type") if isinstance(told, dict) else None
    inputs = told.get("inputs", {}) if isinstance(told, dict) else None
    if not isinstance(kind, str) or not isinstance(inputs, dict):
        raise WorkflowError(
            "workflow",
            f"node {node!a:.40} must have a class_type and inputs, got neither. Export the "
            "workflow again (API).",
        )
    return kind, inputs


def _require_files(
    node: str,
    schema: dict[str, Any],
    inputs: dict[str, Any],
    files: Collection[str],
    weights: Collection[str],
) -> None:
    pending = widgets.declared(schema)
    while pending:
        entry = pending.pop()
        value = inputs.get(entry.name)
        pending += widgets.choice_inputs(entry, value)
        empty = entry.kind == "COMBO" and entry.options.get("options") == []
        good = [*files, *(() if entry.uploads else weights)]
        if (entry.uploads or empty) and entry.name in inputs and value not in good:
            raise WorkflowError(
                "file_input",
                f"{entry.name} must be a file that came with the run, got {value!a:.80}. Upload it "
                "and use its name.",
                node,
            )
