"""The shipped workflow that lints a photo, in both of its forms, on the real server."""

import io
from pathlib import Path

import pytest
from dressform.comfyui import run
from PIL import Image

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.comfyui


@pytest.mark.parametrize("form", ["lint_photo.json", "api/lint_photo.json"])
def test_shipped_workflow_grades_a_photo(comfyui, tmp_path, form):
    photo = tmp_path / "small.jpg"
    with Image.open(ROOT / "samples" / "dressform" / "photo.jpg") as picture:
        picture.resize((288, 384)).save(photo)
    done = run.run(
        ROOT / "workflows" / form,
        comfyui.url,
        tmp_path / "out",
        settings=[f"Photo.image={photo}"],
        stream=io.StringIO(),
    )
    [text] = done.outputs["5"]["files"]
    findings = (tmp_path / "out" / text).read_text(encoding="utf-8")
    assert findings.startswith(("D: ", "E: "))
    assert "Resolution 分辨率" in findings
    [picture] = done.outputs["4"]["files"]
    with Image.open(tmp_path / "out" / picture) as annotated:
        assert annotated.width == 288
        assert annotated.height > 384
