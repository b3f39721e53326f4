"""The pack's nodes against the real comfy_api."""

import asyncio
import sys
import warnings

import pytest


@pytest.fixture(scope="session")
def nodes(comfyui_folder):
    """The pack's `nodes` package, loaded with the real comfy_api on the path."""
    sys.path.insert(0, str(comfyui_folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of ComfyUI's and torch's own imports
        import torch
        from comfy.cli_args import args

        # Read when comfy.model_management is imported: without it a CPU torch is refused.
        args.cpu = not torch.cuda.is_available()
        import dressform.nodes
    return dressform.nodes


@pytest.fixture(scope="session")
def tensors(nodes):
    from dressform.nodes import tensors

    return tensors


@pytest.fixture(scope="session")
def listed(nodes):
    """The node classes as ComfyUI gets them: from the entry point."""
    import dressform

    async def load():
        extension = await dressform.comfy_entrypoint()
        return await extension.get_node_list()

    return asyncio.run(load())
