"""The socket types of this pack, and those it shares with others."""

from comfy_api.latest import io

# list[imaging.parsing.Parsing], one for each picture of the batch.
PARSING = io.Custom("DRESSFORM_PARSING")

# ComfyUI's own keypoint frames (nodes_sdpose.py): list of {canvas_width, canvas_height, people}.
POSE = io.Custom("POSE_KEYPOINT")

# imaging.products.work.Product: a photo on its way from Load Product Folder to Save Product.
PRODUCT = io.Custom("DRESSFORM_PRODUCT")

# inference.order.Settings.
SETTINGS = io.Custom("DRESSFORM_SETTINGS")

# tuple[inference.painter.Lora, ...], in the order in which they were chained.
LORAS = io.Custom("DRESSFORM_LORAS")
