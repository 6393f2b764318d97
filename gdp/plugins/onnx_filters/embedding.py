"""Features of pictures by a model in an ONNX file, such as a face recognition network."""

from __future__ import annotations

import torch
from torch import Tensor

from gdp.plugins.onnx_filters.config import EmbeddingModel
from gdp.plugins.onnx_filters.model import OnnxModel


class FaceEmbedding:
    """Turns pictures into features.

    Raises:
        MissingResourceError, CorruptFileError, ShapeError: the model cannot be used, see `OnnxModel`.
    """

    def __init__(self, settings: EmbeddingModel, device: torch.device) -> None:
        self._model = OnnxModel(settings.weights, settings.input, device)
        self._output = self._model.output(settings.output, "the features")

    @property
    def fingerprint(self) -> str:
        """sha256 of the model's file."""
        return self._model.fingerprint

    def embed(self, images: Tensor) -> Tensor:
        """Return the features of pictures (N, 3, H, W) in [-1, 1]: (N, K) float64 on the CPU."""
        return self._model.run(images)[self._output].flatten(1).double()
