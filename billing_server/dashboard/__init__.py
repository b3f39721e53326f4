"""Pages for people: credits, usage, keys; and for those who run the server. HTML, no state."""

from . import admin, credits, keys, views
from .page import blueprint

__all__ = ["admin", "blueprint", "credits", "keys", "views"]
