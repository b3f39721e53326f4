"""Pages for people who buy and use credits, and who run the server. HTML, no state."""

from . import admin, credits, keys, runs, views, webhooks
from .page import blueprint

__all__ = ["admin", "blueprint", "credits", "keys", "runs", "views", "webhooks"]
