"""The only package that knows ComfyUI: schemas, tensors in, tensors out."""

from comfy_api.latest import ComfyExtension, io

from . import cloud_routes, hint_routes, served
from .agnostic import MakeAgnosticMask
from .compare import Compare
from .drawing import DrawHints
from .engine_settings import EngineSettings, LoadEngineLora
from .folder import LoadFolder
from .ghost import MakeGhostMannequin
from .hints import ProposeHints
from .hosted import HostedTryOn, HostedWorkflow
from .lint import LintPhoto
from .mannequin import ParsePhoto, RemoveMannequin
from .model_photo import MakeModelPhoto
from .paste_back import PasteBack
from .products import SaveProduct
from .quality import CheckQuality
from .quality_gate import QualityGate
from .rendering import RenderHints
from .repair_veil import RepairVeil
from .sweep import Sweep
from .tryon import TryOn

NODES: tuple[type[io.ComfyNode], ...] = (
    ParsePhoto,
    RemoveMannequin,
    ProposeHints,
    DrawHints,
    RenderHints,
    TryOn,
    CheckQuality,
    LoadFolder,
    SaveProduct,
    LintPhoto,
    MakeGhostMannequin,
    MakeModelPhoto,
    EngineSettings,
    LoadEngineLora,
    PasteBack,
    MakeAgnosticMask,
    QualityGate,
    RepairVeil,
    Sweep,
    Compare,
    HostedTryOn,
    HostedWorkflow,
)


class DressformExtension(ComfyExtension):
    async def on_load(self) -> None:
        served.serve()
        hint_routes.serve()
        cloud_routes.serve()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return list(NODES)
