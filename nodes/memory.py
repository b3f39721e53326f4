"""ComfyUI's memory manager, as the engines see it, and the engines, as ComfyUI's manager sees them.

ComfyUI unloads what is in its list of loaded models: for other models, for "Unload Models" and
POST /free, and after an out-of-memory error. The engines stand in that list as one entry, a
ModelPatcher of an empty module that counts their bytes; unloading it evicts them.
"""

import comfy.model_management
import comfy.model_patcher
import torch

from ..inference import residency
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


class Engines(comfy.model_patcher.ModelPatcher):
    """All engines in memory, as one model of ComfyUI's list."""

    def __init__(self) -> None:
        device = comfy.model_management.get_torch_device()
        super().__init__(torch.nn.Module(), load_device=device, offload_device=torch.device("cpu"))

    def model_size(self) -> int:
        """Returns the bytes of all engines."""
        return residency.WARM.used_bytes()

    def loaded_size(self) -> int:
        """Returns the same: an engine is there or not."""
        return residency.WARM.used_bytes()

    def partially_load(self, device_to, extra_memory=0, force_patch_weights=False) -> int:
        """Loads nothing: engines are loaded when they paint."""
        return 0

    def partially_unload(self, device_to, memory_to_free=0, force_patch_weights=False) -> int:
        """Evicts idle engines, those first that are least worth; returns the bytes freed."""
        return residency.WARM.evict(int(min(memory_to_free, 2**62)))

    def detach(self, unpatch_all=True) -> torch.nn.Module:
        """Evicts every engine; one that paints goes when it is done."""
        if unpatch_all:
            residency.WARM.evict_all()
        return self.model

    def __del__(self) -> None:
        """Keeps the inherited one from unloading at the end of the program."""


_engines: Engines | None = None


def host() -> Host:
    """Returns what ComfyUI lends the engines."""
    return Host(DeviceMemory(), tuple(weights.folders()))


def show_engines() -> None:
    """Enters the engines into ComfyUI's list of loaded models, where there are any."""
    global _engines
    if not residency.WARM.residents():
        return
    _engines = _engines or Engines()
    comfy.model_management.load_models_gpu([_engines])
