"""A hosted run by the official client: the shipped workflow, two sample photos, what it saved.

    COMFY_BASE_URL=http://127.0.0.1:8020 COMFY_API_KEY=df_... python samples/hosted_run.py [FOLDER]

Needs `pip install comfy-sdk`; nothing of this repository is imported.
"""

import json
import sys
from pathlib import Path

import comfy_sdk

SAMPLES = Path(__file__).parent
WORKFLOW = SAMPLES.parent / "workflows" / "api" / "mannequin_to_model.json"
PHOTOS = {"1": SAMPLES / "dressform" / "photo.jpg", "2": SAMPLES / "person.jpg"}  # by node
PREVIEWS = "ComfyUI_temp_"  # what nodes show and do not save


def main(folder: Path) -> None:
    """Uploads the photos, submits the workflow, follows it, and saves what it made."""
    graph = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    with comfy_sdk.Comfy() as comfy:
        workflow = comfy.workflows.from_json(graph)
        for node, photo in PHOTOS.items():
            asset = comfy.assets.from_bytes(photo.read_bytes(), filename=photo.name)
            workflow.set_input(node, "image", asset)
        job = comfy.submit(workflow, metadata={"workflow": WORKFLOW.stem})
        for event in job.events():
            if isinstance(event, comfy_sdk.StatusChange):
                print(event.status, flush=True)
            elif isinstance(event, comfy_sdk.Progress):
                print(f"{event.value:.0%}", flush=True)
        for output in job.result().outputs:
            if output.name.startswith(PREVIEWS):
                continue
            path = folder / output.name
            path.parent.mkdir(parents=True, exist_ok=True)
            print(output.to_file(path))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/hosted"))
