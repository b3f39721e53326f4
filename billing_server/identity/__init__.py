"""People: who they are, how they get in, and what a page may assume about its visitor."""

from .people import People, Person

__all__ = ["People", "Person"]
