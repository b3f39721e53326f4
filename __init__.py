"""Entry point for ComfyUI: loads the nodes when asked, and nothing before.

ComfyUI executes this file by its path, so the package is named by its loader
(docs/adr/2026-11-23-one-package-named-by-its-loader.md). Nothing is imported at
module level: pytest and the `dressform` command import this file as well, in
environments without ComfyUI.
"""

WEB_DIRECTORY = "./web"
__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]


async def comfy_entrypoint():
    """Returns the extension that lists the pack's nodes.

    Raises:
        Exception: whatever kept the nodes from loading, after logging its traceback;
            ComfyUI itself would log the message alone.
    """
    try:
        from .nodes import DressformExtension
    except Exception:
        import logging

        logging.getLogger("dressform").exception("Dressform could not load its nodes.")
        raise
    return DressformExtension()
