"""What the OpenAPI document says of all calls alike: keys, and every problem that can come."""

from typing import Any

DESCRIPTION = """Prepaid compute credits. Amounts are whole micro-credits, 1,000,000 to the credit;
beside each stands the same in credits, as text. Money is in the smallest unit of its currency.

Every call proves itself with `Authorization: Bearer df_...`. A call that moves something takes an
`Idempotency-Key`: repeat the call with the same key as long as you have no answer. The same call
with the same key is done once and answered the same; another one with it is refused with 409."""

PROBLEMS = {
    "400": "What came is no JSON.",
    "401": "The key is missing, unknown or revoked.",
    "402": "Not enough credits, or a budget does not allow it, or the card was declined.",
    "403": "The key does not have the scope, or may not give it.",
    "404": "There is no such thing in this account.",
    "409": "It has ended, or the Idempotency-Key belongs to another call.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "422": "A field is missing, unknown, of the wrong type, or absurd.",
    "429": "Too many calls; see Retry-After.",
    "503": "Database or Stripe do not answer; see Retry-After, and repeat with the same key.",
}
_TEXTS = {name: {"type": "string"} for name in ("type", "title", "code", "detail", "what_to_do")}
_PROBLEM = {
    "type": "object",
    "required": [*_TEXTS, "status"],
    "properties": {**_TEXTS, "status": {"type": "integer"}},
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "A new UUID for each new call, the same one if it is repeated.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[!-~]+$"},
}
_CONTENT = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Returns the document with what its calls have in common."""
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM
    components["responses"] = {
        f"Problem{status}": {"description": text, "content": _CONTENT}
        for status, text in PROBLEMS.items()
    }
    for path in document["paths"].values():
        for operation in path.values():
            for status in PROBLEMS:
                problem = {"$ref": f"#/components/responses/Problem{status}"}
                operation["responses"].setdefault(status, problem)
            if operation.get("x-keyed"):
                operation["parameters"].append(_KEY)
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True
            for parameter in operation["parameters"]:
                if parameter["schema"] == {"type": "integer"}:
                    parameter["schema"] |= {"minimum": 1, "maximum": 2**63 - 1}
    return document
