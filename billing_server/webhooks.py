"""Where Stripe tells what happened."""

from typing import Any

from flask import Blueprint, request

from .services import services

blueprint = Blueprint("webhooks", __name__, url_prefix="/webhooks")


@blueprint.post("/stripe")
def stripe() -> Any:
    """Hand the body over as it came: the signature is over its bytes."""
    outcome = services().payments.receive(
        request.get_data(), request.headers.get("Stripe-Signature", "")
    )
    return {"outcome": outcome}
