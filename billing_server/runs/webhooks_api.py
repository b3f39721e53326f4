"""Calls of customers: where they want to be told of the ends of their runs."""

from functools import partial
from typing import Annotated, Any, Literal

from apiflask import APIBlueprint
from pydantic import Field, create_model

from ..api import calls
from ..api.calls import caller
from ..api.values import In, Query, Text, listed, model, view
from ..services import services
from .comfy_api import PATH
from .outbound import MAX_URL
from .webhooks import EVENTS, Delivery, Webhook, Webhooks

blueprint = APIBlueprint("run_webhooks", __name__, tag="Webhooks", url_prefix=PATH)
call = partial(calls.call, blueprint)
Told = model(Webhook)
NewWebhook = create_model("NewWebhook", __base__=Told, secret=(str, ...))


class WebhookIn(In):
    """Who is told of what."""

    url: Annotated[str, Field(min_length=1, max_length=MAX_URL)]
    events: Annotated[list[Literal[EVENTS]], Field(min_length=1, max_length=len(EVENTS))]  # type: ignore[valid-type]


class DeliveriesIn(Query):
    """Which part of a list."""

    before: Text | None = Field(None, description="the last delivery of the page before")
    limit: Annotated[int, Field(ge=1, le=100)] = 50


def _webhooks() -> Webhooks:
    return services().hosting.webhooks


@call("GET /webhooks", "read", listed("webhooks", Told))
def webhooks() -> Any:
    """List who is told."""
    return {"webhooks": view(_webhooks().of(caller().account))}


@call("POST /webhooks", "manage", NewWebhook, keyed="answer")
def create_webhook(body: WebhookIn) -> Any:
    """Have a public https address told of ends of runs; `secret` is shown in this answer alone."""
    return _new(_webhooks().create(caller().account, body.url, body.events))


@call("DELETE /webhooks/<id>", "manage", Told)
def delete_webhook(id: str) -> Any:
    """Tell an address nothing more."""
    return view(_webhooks().delete(caller().account, id))


@call("POST /webhooks/<id>/rotate", "manage", NewWebhook, keyed="answer")
def rotate_webhook(id: str) -> Any:
    """Make a new secret; the one before signs beside it for a day."""
    return _new(_webhooks().rotate(caller().account, id))


@call("GET /webhooks/<id>/deliveries", "read", listed("deliveries", model(Delivery)))
def deliveries(id: str, query: DeliveriesIn) -> Any:
    """List what an address was told, the latest first."""
    found = _webhooks().deliveries(caller().account, id, query.before, query.limit)
    return {"deliveries": view(found)}


@call("POST /webhooks/<id>/deliveries/<delivery>/resend", "manage", model(Delivery), keyed="answer")
def resend(id: str, delivery: str) -> Any:
    """Tell again now; an address that was given up is told again if it answers."""
    return view(_webhooks().resend(caller().account, id, delivery))


def _new(made: tuple[str, Webhook]) -> dict[str, Any]:
    return view(made[1]) | {"secret": made[0]}
