"""What tests of runs are given: classes, a model, a picture, a workflow."""

CREDIT = 1_000_000
CLASSES = {
    "LoadImage": "comfyui",
    "SaveImage": "comfyui",
    "CheckpointLoaderSimple": "comfyui",
    "LoraLoader": "comfyui",
    "KSampler": "comfyui",
    "EmptyLatentImage": "comfyui",
    "CLIPTextEncode": "comfyui",
    "RegexMatch": "comfyui",
    "DressformParse": "dressform",
    "ReadAnything": "evil",
}
BASE = "checkpoints/base.safetensors"
PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x03\x08\x02\0\0\0"
    b"6\x88I\xd6\0\0\0\x0cIDATx\x9cc``\xc0\x06\0\0\x1e\0\x01\0\0\0\0IEND\xaeB`\x82"
)


def graph(**inputs):
    """A small workflow; inputs are of its loader."""
    return {
        "1": {
            "class_type": "CheckpointLoaderSimple",
            "inputs": {"ckpt_name": "base.safetensors"} | inputs,
        },
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
    }
