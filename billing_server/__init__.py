"""The billing server: prepaid compute credits, never lost, never double, always explained."""

from typing import Any


def create_app(*args: Any, **kwargs: Any) -> Any:
    """Makes the application; see `app.create_app`. Nothing is imported before it is called."""
    from . import app

    return app.create_app(*args, **kwargs)
