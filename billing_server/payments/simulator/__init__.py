"""A Stripe to try things with: no money moves. For the embedded default and for tests."""

from .server import Simulator, start

__all__ = ["Simulator", "start"]
