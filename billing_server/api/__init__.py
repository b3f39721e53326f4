"""The HTTP API: JSON for programs, each call proved by a key."""
