"""ComfyUI's memory manager, as the engines see it."""

import comfy.model_management

from ..inference.order import Host
from . import weights


class DeviceMemory:
    """The device that ComfyUI paints on, with ComfyUI's other models in it."""

    def __init__(self) -> None:
        self._device = comfy.model_management.get_torch_device()
        self.device = str(self._device)

    def free_bytes(self) -> int:
        """Returns how much may be allocated now."""
        return int(comfy.model_management.get_free_memory(self._device))

    def release(self, wanted_bytes: int) -> None:
        """Lets ComfyUI unload other models until `wanted_bytes` are free, if that can be."""
        comfy.model_management.free_memory(wanted_bytes, self._device)
        comfy.model_management.soft_empty_cache()


def host() -> Host:
    """Returns what ComfyUI lends the engines."""
    return Host(DeviceMemory(), tuple(weights.folders()))
