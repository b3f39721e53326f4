"""Nodes for those who want to choose themselves how an engine works, and with which LoRAs."""

from pathlib import Path

import folder_paths
from comfy_api.latest import io

from ..inference import memory
from ..inference.order import Settings
from ..inference.painter import Lora
from .sockets import LORAS, SETTINGS

NO_LORA = "none"
LICENCES = ("unknown", "commercial")
# diffusers' names; all but native need packages of their own.
ATTENTIONS = ("auto", "native", "flash", "sage", "xformers")


class EngineSettings(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DressformEngineSettings",
            display_name="Engine Settings",
            category="dressform/tryon",
            description=(
                "Fixes how an engine is laid into memory, and gives it LoRAs. Not needed: without "
                "it everything is chosen by the free memory."
            ),
            search_aliases=["precision", "offload", "low vram", "fp8", "lora stack"],
            inputs=[
                LORAS.Input(
                    "loras", optional=True, tooltip="From Load Engine LoRA; several are chained."
                ),
                io.Combo.Input(
                    "precision",
                    options=list(memory.PRECISIONS),
                    default="auto",
                    tooltip="fp8 halves the largest network, a little less accurate; gguf takes it "
                    "from a GGUF file beside the weights; fp32 takes twice that of bf16.",
                ),
                io.Combo.Input(
                    "offload",
                    options=list(memory.OFFLOADS),
                    default="auto",
                    tooltip="none: all on the device. model: one network at a time. group: a few "
                    "layers at a time, slowest, least memory.",
                ),
                io.Combo.Input(
                    "speed",
                    options=list(memory.SPEEDS),
                    default="exact",
                    tooltip="cached skips work that would change a step little: quicker, and fine "
                    "details may differ.",
                ),
                io.Combo.Input(
                    "vae_tiling",
                    options=list(memory.ON_OFF),
                    default="auto",
                    tooltip="on encodes and decodes the picture in tiles: less memory, faint seams "
                    "are possible.",
                ),
                io.Combo.Input(
                    "attention",
                    options=list(ATTENTIONS),
                    default="auto",
                    tooltip="How attention is computed; all but auto and native need packages of "
                    "their own.",
                ),
            ],
            outputs=[
                SETTINGS.Output(
                    display_name="settings", tooltip="For Try On and Make Model Photo."
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        precision: str,
        offload: str,
        speed: str,
        vae_tiling: str,
        attention: str,
        loras: tuple[Lora, ...] = (),
    ) -> io.NodeOutput:
        wishes = memory.Wishes(
            precision=precision,
            offload=offload,
            speed=speed,
            vae_tiling=vae_tiling,
            attention=attention,
        )
        return io.NodeOutput(Settings(wishes, tuple(loras or ())))


class LoadEngineLora(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DressformEngineLora",
            display_name="Load Engine LoRA",
            category="dressform/tryon",
            description=(
                "Adds a LoRA to those that an engine uses; changing it does not load the engine "
                "again. It must be made for the engine's own base model."
            ),
            search_aliases=["lora", "style", "adapter"],
            inputs=[
                LORAS.Input(
                    "loras", optional=True, tooltip="LoRAs that come before, to use several."
                ),
                io.Combo.Input(
                    "lora",
                    options=[NO_LORA, *folder_paths.get_filename_list("loras")],
                    default=NO_LORA,
                    tooltip="A safetensors file of ComfyUI's folder models/loras.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=-2.0,
                    max=2.0,
                    step=0.05,
                    tooltip="0 is without it, 1 as it was trained; more exaggerates, negative "
                    "turns it around.",
                ),
                io.Combo.Input(
                    "licence",
                    options=list(LICENCES),
                    default=LICENCES[0],
                    tooltip="commercial, where its maker allows to sell with it; unknown is "
                    "refused for commercial usage.",
                ),
            ],
            outputs=[
                LORAS.Output(
                    display_name="loras",
                    tooltip="For Engine Settings, or for another Load Engine LoRA.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls, lora: str, strength: float, licence: str, loras: tuple[Lora, ...] = ()
    ) -> io.NodeOutput:
        before = tuple(loras or ())
        if lora == NO_LORA:
            return io.NodeOutput(before)
        path = Path(folder_paths.get_full_path_or_raise("loras", lora))
        return io.NodeOutput((*before, Lora(path, strength, licence)))
