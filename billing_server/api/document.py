"""What the OpenAPI document says of all calls alike: keys, and every problem that can come."""

import tomllib
from pathlib import Path
from typing import Any

WORDS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
_CONTENT = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Returns the document with what its calls have in common."""
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = WORDS["problem"]
    components["responses"] = {
        f"Problem{status}": {"description": text, "content": _CONTENT}
        for status, text in WORDS["problems"].items()
    }
    for path in document["paths"].values():
        for operation in path.values():
            for status in WORDS["problems"]:
                problem = {"$ref": f"#/components/responses/Problem{status}"}
                operation["responses"].setdefault(status, problem)
            if operation.get("x-keyed"):
                operation["parameters"].append(WORDS["idempotency_key"])
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True
            for parameter in operation["parameters"]:
                if parameter["schema"] == {"type": "integer"}:
                    parameter["schema"] |= {"minimum": 1, "maximum": 2**63 - 1}
    return document
