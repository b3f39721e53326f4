"""The node that saves product pictures as shops want them."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import folder_paths
import torch
from comfy.cli_args import args
from comfy_api.latest import io

from ..imaging.parsing import Parsing
from ..imaging.products.choices import FORMATS, GROUNDS, MAX_SIDE_PX
from . import feedback, tensors
from .sockets import PARSING, PRODUCT


class SaveProduct(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DressformSaveProduct",
            display_name="Save Product",
            category="dressform/batch",
            description=(
                "Saves a product picture under its SKU: PNG, JPEG or WebP, cut out, or centred on "
                "a square as marketplaces want it, and enters it into manifest.csv."
            ),
            search_aliases=["save image", "marketplace", "packshot", "sku", "manifest"],
            inputs=[
                io.Image.Input("image", tooltip="The picture to save."),
                PRODUCT.Input(
                    "product",
                    optional=True,
                    tooltip="From Load Product Folder: names the file and keeps the manifest.",
                ),
                io.Mask.Input(
                    "garment_alpha",
                    optional=True,
                    tooltip="From Remove Mannequin: what is garment, for cutting out and centring.",
                ),
                PARSING.Input(
                    "parsing",
                    optional=True,
                    tooltip="Of the photo: its kind, confidence and warnings go into the manifest.",
                ),
                io.Mask.Input(
                    "generated",
                    optional=True,
                    tooltip="Above 0 where a pixel was made up; kept in the picture's metadata.",
                ),
                io.Mask.Input(
                    "second_photo",
                    optional=True,
                    tooltip="Above 0 where a pixel comes from a second photo; kept likewise.",
                ),
                io.String.Input(
                    "sku",
                    default="product",
                    tooltip="Name of the product; not used where product is connected.",
                ),
                io.Combo.Input(
                    "format",
                    options=list(FORMATS),
                    default="png",
                    tooltip="png: exact, transparent. jpg: for every shop. webp: small, "
                    "transparent.",
                ),
                io.Int.Input(
                    "quality",
                    default=92,
                    min=1,
                    max=100,
                    step=1,
                    tooltip="Of jpg and webp; larger files look better. From 90 on jpg keeps "
                    "colours sharp.",
                ),
                io.Combo.Input(
                    "background",
                    options=list(GROUNDS),
                    default="as given",
                    tooltip="as given: the picture as it comes. The others need garment_alpha; "
                    "jpg takes white for transparent.",
                ),
                io.Int.Input(
                    "canvas_px",
                    default=0,
                    min=0,
                    max=MAX_SIDE_PX,
                    step=1,
                    tooltip="Side of a square with the garment in its middle, such as 2000; 0 "
                    "keeps the photo's size.",
                ),
                io.Float.Input(
                    "margin",
                    default=0.05,
                    min=0.0,
                    max=0.45,
                    step=0.01,
                    tooltip="Least distance from the square's edge, as a share of its side.",
                ),
                io.String.Input(
                    "suffix",
                    default="",
                    tooltip="Added to the file's name, such as _white, where two nodes save one "
                    "product.",
                    advanced=True,
                ),
                io.String.Input(
                    "save_to",
                    default="products",
                    tooltip="Folder inside ComfyUI's output folder; not used where product is "
                    "connected.",
                    advanced=True,
                ),
            ],
            outputs=[],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        sku: str,
        format: str,
        quality: int,
        background: str,
        canvas_px: int,
        margin: float,
        suffix: str,
        save_to: str,
        product=None,
        garment_alpha: torch.Tensor | None = None,
        parsing: list[Parsing] | None = None,
        generated: torch.Tensor | None = None,
        second_photo: torch.Tensor | None = None,
    ) -> io.NodeOutput:
        from ..imaging.products import batch, naming, places, saving

        root = Path(folder_paths.get_output_directory())
        masks = {
            "garment_alpha": tensors.alpha(image) if garment_alpha is None else garment_alpha,
            "generated": generated,
            "second_photo": second_photo,
        }
        pairs = tensors.pair(
            image=tensors.to_pictures(image[..., :3], "image"),
            parsing=parsing,
            **{n: None if t is None else tensors.to_masks(t, n) for n, t in masks.items()},
        )
        out = product.out if product else places.writable(save_to, root)
        stem = out / (f"{product.row.sku}/{product.row.name}" if product else _named(sku))
        stem = stem.with_name(naming.safe(f"{stem.name}{suffix}"))
        ground = "white" if (background, format) == ("transparent", "jpg") else background
        saved: list[Path] = []
        doubts = [line for one in parsing or () for line in one.warnings]
        for one in pairs:
            path = _path(stem, FORMATS[format][0], len(saved), overwrite=product is not None)
            places.require_within(path, root)
            sheet = _arranged(one, ground, canvas_px, margin)
            texts = _texts(cls, sheet.sources, format)
            with _released(product):
                saving.write(path, sheet.image, sheet.alpha, quality=quality, texts=texts)
            saved.append(path)
            doubts += _softness(sheet.enlarged)
            feedback.progress(len(saved), len(pairs))
        notice = ""
        if product:
            _, notice = batch.finish(
                product,
                [path.relative_to(out).as_posix() for path in saved],
                kind=parsing[0].kind if parsing else "",
                confidence=float(min(one.confidence for one in parsing)) if parsing else -1.0,
                warnings=doubts,
            )
        return io.NodeOutput(
            ui={
                "images": [_shown(path, root) for path in saved],
                **feedback.sentences(cls, [*doubts, notice] if notice else doubts),
            }
        )


def _named(sku: str) -> Path:
    """A product that was named by hand gets a folder too, like one of a folder of photos."""
    from ..imaging.products import naming

    path = naming.safe_path(sku)
    return Path(path) / path.name


@contextlib.contextmanager
def _released(product) -> Iterator[None]:
    """A full disk is no fault of the photo: it waits, and the batch stops."""
    from ..imaging.products import batch, saving

    try:
        yield
    except saving.DiskError as error:
        if product:
            with contextlib.suppress(OSError):
                batch.release(product, str(error))
        raise


def _shown(path: Path, root: Path) -> dict[str, str]:
    folder = path.parent.relative_to(root).as_posix()
    return {"filename": path.name, "subfolder": folder, "type": "output"}


def _softness(enlarged: float) -> list[str]:
    from ..imaging.products import canvas

    if enlarged <= canvas.SOFT:
        return []
    return [
        f"The garment was enlarged {enlarged:.1f} times and looks soft. Use a larger photo or a "
        "smaller canvas_px."
    ]


def _path(stem: Path, ending: str, index: int, *, overwrite: bool) -> Path:
    """Further pictures are numbered; a name given by hand never replaces a picture."""
    number = index + 1
    while True:
        path = stem.with_name(f"{stem.name}{'' if number == 1 else f'-{number}'}{ending}")
        if overwrite or not path.exists():
            return path
        number += 1


def _arranged(one: dict, ground: str, canvas_px: int, margin: float):
    from ..imaging import provenance
    from ..imaging.products import canvas

    image, alpha, sources = one["image"], one["garment_alpha"], None
    for name in ("garment_alpha", "generated", "second_photo"):
        if one[name] is not None:
            tensors.require_same_size(one[name], image, name, "image")
    if one["generated"] is not None or one["second_photo"] is not None:
        none = torch.zeros(image.shape[:2]).numpy()
        shown = none + 1 if alpha is None else alpha
        made = none if one["generated"] is None else one["generated"]
        sources = provenance.from_masks(shown, made, one["second_photo"])
    if alpha is not None and ground != "as given":
        image = canvas.straight(image, alpha)
    return canvas.arrange(image, alpha, sources, ground=ground, side_px=canvas_px, margin=margin)


def _texts(node: type[io.ComfyNode], sources, format: str) -> dict[str, str]:
    """Metadata: PNG carries the workflow as ComfyUI's own, other formats go to shops without."""
    from ..imaging import provenance

    texts = {} if sources is None else provenance.to_metadata(sources)
    if format != "png":
        return {key: text for key, text in texts.items() if key == provenance.HEADER_KEY}
    if args.disable_metadata or node.hidden is None:
        return texts
    if node.hidden.prompt:
        texts["prompt"] = json.dumps(node.hidden.prompt)
    for key, value in (node.hidden.extra_pnginfo or {}).items():
        texts[key] = json.dumps(value)
    return texts
