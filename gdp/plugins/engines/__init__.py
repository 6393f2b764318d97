"""Engines that run trained students: torch, onnxruntime, OpenVINO."""
