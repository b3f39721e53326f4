"""Help pages for clones whose folder name has a dot.

ComfyUI serves a pack's web folder under the folder's whole name; its editor looks for help pages
under the name up to the first dot or @ (extractCustomNodeName in its sources).
"""

import re
import sys
from pathlib import Path

PACK = Path(__file__).parents[1]  # not resolved: a link's own name counts
DOCS = PACK / "web" / "docs"


def looked_up_name(folder: str) -> str:
    """Returns the name under which the editor looks for the pages of a pack."""
    return re.split(r"[.@]", folder)[0]


def serve() -> None:
    """Serves the pages where the editor looks for them; ComfyUI must not serve HTTP yet."""
    module = sys.modules.get("server")  # importing it would start half of ComfyUI
    name = looked_up_name(PACK.name)
    if module is not None and name not in ("", PACK.name):
        module.PromptServer.instance.routes.static(f"/extensions/{name}/docs", DOCS)
