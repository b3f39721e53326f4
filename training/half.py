"""Halves a file of weights: stored with 16 bits, computed with 32."""

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

# Tables smaller than this (biases, shapes) are left alone.
LEAST = 1024


def halve(path: Path) -> None:
    """Stores an ONNX file's large tables as float16; a cast, folded on loading, widens them."""
    model = onnx.load(path)
    graph = model.graph
    widened = []
    for table in graph.initializer:
        values = numpy_helper.to_array(table)
        if values.dtype != np.float32 or values.size < LEAST:
            continue
        name = table.name
        narrow = numpy_helper.from_array(values.astype(np.float16), f"{name}_16")
        table.CopyFrom(narrow)
        to = onnx.TensorProto.FLOAT
        widened.append(onnx.helper.make_node("Cast", [f"{name}_16"], [name], to=to))
    for node in reversed(widened):
        graph.node.insert(0, node)
    onnx.checker.check_model(model)
    onnx.save(model, path)
