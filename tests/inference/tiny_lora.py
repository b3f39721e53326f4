"""LoRAs of random weights for any network, in the two spellings that are published."""

from pathlib import Path

LAYERS = ("to_q", "to_k", "to_v", "to_out.0")
RANK = 2


def write(
    path: Path,
    network,
    *,
    component: str = "unet",
    layers: tuple[str, ...] = LAYERS,
    seed: int = 0,
    kohya: bool = False,
    notes: dict[str, str] | None = None,
) -> Path:
    """Writes a LoRA that changes what the network paints.

    Args:
        path: Of the safetensors file.
        network: The module whose layers are changed.
        component: Its name in the pipeline: "unet" or "transformer".
        layers: Ends of the names of the linear layers that are changed.
        seed: Of the weights.
        kohya: Spell the names as kohya's trainer does; UNets only.
        notes: Metadata of the file.
    """
    import torch
    from safetensors.torch import save_file

    draw = torch.Generator().manual_seed(seed)
    weights = {}
    for name, layer in network.named_modules():
        if name.endswith(layers) and isinstance(layer, torch.nn.Linear):
            down = torch.randn(RANK, layer.in_features, generator=draw)
            up = torch.randn(layer.out_features, RANK, generator=draw)
            if kohya:
                stem = f"lora_unet_{name.replace('.', '_')}"
                weights[f"{stem}.lora_down.weight"] = down
                weights[f"{stem}.lora_up.weight"] = up
                weights[f"{stem}.alpha"] = torch.tensor(float(RANK))
            else:
                weights[f"{component}.{name}.lora_A.weight"] = down
                weights[f"{component}.{name}.lora_B.weight"] = up
    assert weights, f"no layer of the network ends with {layers}"
    save_file(weights, path, metadata=notes)
    return path
