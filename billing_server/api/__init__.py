"""The HTTP API: JSON for programs, each call proved by a key."""

from typing import Any

from apiflask import APIFlask

from .. import problems
from . import customer, document, operator


def register(app: APIFlask) -> None:
    """Adds the calls and their document."""
    app.description = document.WORDS["description"]
    app.security_schemes = {"key": {"type": "http", "scheme": "bearer"}}
    for kind in ("404", "AUTH_ERROR", "VALIDATION_ERROR"):
        app.config[f"AUTO_{kind}_RESPONSE"] = False
    app.config["AUTO_SERVERS"] = False
    app.error_callback = _invalid  # of what APIFlask itself refuses: wrong fields
    app.register_blueprint(customer.blueprint)
    app.register_blueprint(operator.blueprint)


def _invalid(error: Any) -> Any:
    """Tells the first field that is wrong, and all of them in `fields`."""
    fields = next(iter(error.detail.values()))
    name, texts = next(iter(fields.items()))
    text = f"{name} is not right: {texts[0]}. See /openapi.json."
    return problems.answer(422, "invalid", text, fields=fields)
