"""People: who they are, how they get in, and what a page may assume about its visitor."""

from .browser import admin_only, csrf_token, person, signed_in
from .people import People, Person

__all__ = ["People", "Person", "admin_only", "csrf_token", "person", "signed_in"]
