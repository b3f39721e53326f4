"""The node that gives a folder of photos to the workflow, one for each run."""

import os
import time
from pathlib import Path

import folder_paths
from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..imaging.products.choices import REDO
from . import feedback, onward, tensors
from .sockets import PRODUCT

# Where the operator of a server names further folders that workflows may read.
FOLDERS_VARIABLE = "DRESSFORM_FOLDERS"
FOLDERS_KEY = "dressform_folders"
ALLOW = (
    f"To allow another folder, set {FOLDERS_VARIABLE} before ComfyUI starts, or add "
    f"{FOLDERS_KEY} to extra_model_paths.yaml."
)
PRODUCT_OUTPUT = 1  # its place among the outputs of Load Product Folder


class LoadFolder(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DressformLoadFolder",
            display_name="Load Product Folder",
            category="dressform/batch",
            description=(
                "Gives the photos of a folder to the workflow one after the other, a run for "
                "each, and goes on where it stopped. Connect product to Save Product, which "
                "keeps the list of what is done in manifest.csv."
            ),
            search_aliases=["batch", "folder of images", "load images", "sku", "resume"],
            inputs=[
                io.String.Input(
                    "folder",
                    default="products",
                    tooltip="Folder of photos inside ComfyUI's input folder, or a whole path that "
                    "the operator allows. Sub-folders are SKUs.",
                ),
                io.String.Input(
                    "save_to",
                    default="products",
                    tooltip="Folder inside ComfyUI's output folder for the pictures and "
                    "manifest.csv.",
                ),
                io.Combo.Input(
                    "redo",
                    options=list(REDO),
                    default="never",
                    tooltip="Photos to do once more: never those in the manifest, failed ones, or "
                    "all. Changed files are always done.",
                ),
                io.Boolean.Input(
                    "whole_folder",
                    default=True,
                    tooltip="On: queues the next photo by itself until all are done. Off: one "
                    "photo for each press of Run.",
                ),
                io.Boolean.Input(
                    "subfolders",
                    default=True,
                    tooltip="On: also photos in the folders within, whose names are the SKUs.",
                    advanced=True,
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The next photo, upright."),
                PRODUCT.Output(
                    display_name="product", tooltip="Which photo this is, for Save Product."
                ),
                io.String.Output(
                    display_name="sku", tooltip="Its sub-folder, or its name without suffix."
                ),
                io.Int.Output(
                    display_name="remaining", tooltip="Photos that are left after this one."
                ),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
            has_intermediate_output=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **_):
        return time.time_ns()  # each run takes another photo

    @classmethod
    def execute(
        cls, folder: str, save_to: str, redo: str, whole_folder: bool, subfolders: bool
    ) -> io.NodeOutput:
        from ..imaging.products import batch, places, work

        base = Path(folder_paths.get_input_directory())
        photos = places.readable(folder, base, _roots(), ALLOW)
        order = work.Order(
            photos,
            places.label(photos, base),
            places.writable(save_to, Path(folder_paths.get_output_directory())),
            redo,
            subfolders,
            tuple(_roots()),
        )
        now = onward.running(_count_saves(cls))
        taken = batch.take(order, now.run, ended=onward.ended, tick=feedback.progress)
        if taken.product is None or taken.picture is None:
            text = [*taken.sentences, batch.summary(taken.counts)]
            nothing = ExecutionBlocker(None)  # in silence: there is nothing to do
            return io.NodeOutput(nothing, nothing, nothing, 0, ui=feedback.sentences(cls, text))
        if whole_folder and cls.hidden and cls.hidden.prompt:
            own = cls.hidden.prompt[cls.hidden.unique_id]
            onward.again(now, own["class_type"], own["inputs"])
        image = tensors.from_pictures([taken.picture])
        row = taken.product.row
        text = [*taken.sentences, batch.summary(taken.counts), f"Now {row.file}."]
        return io.NodeOutput(
            image,
            taken.product,
            row.sku,
            taken.counts.left - 1,
            ui=feedback.sentences(cls, text),
        )


def _count_saves(node: type[io.ComfyNode]) -> int:
    """How many nodes of the workflow save the product of this one."""
    if node.hidden is None:
        return 1
    link = [node.hidden.unique_id, PRODUCT_OUTPUT]
    linked = [
        entry.get("inputs", {}).get("product") == link
        for entry in (node.hidden.prompt or {}).values()
        if entry.get("class_type") == "DressformSaveProduct"
    ]
    return max(1, sum(linked))


def _roots() -> list[Path]:
    """Folders that a workflow may read: ComfyUI's own, and those of the operator."""
    own = (
        folder_paths.get_input_directory(),
        folder_paths.get_output_directory(),
        folder_paths.get_temp_directory(),
    )
    named = [*os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)]
    if FOLDERS_KEY in folder_paths.folder_names_and_paths:
        named += folder_paths.get_folder_paths(FOLDERS_KEY)
    return [Path(path) for path in (*own, *named) if path.strip()]
