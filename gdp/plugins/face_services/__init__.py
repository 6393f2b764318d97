"""Filters that ask face services on the net: Azure AI Face and AWS Rekognition."""

from __future__ import annotations

from gdp import Needs, Register, hookimpl
from gdp.plugins.face_services.config import AzureFaceConfig, RekognitionConfig


@hookimpl
def gdp_register_filters(register: Register) -> None:
    """Register the filters that ask services."""
    register(
        "azure-face",
        config=AzureFaceConfig,
        implementation="gdp.plugins.face_services.azure_filter:AzureFaceFilter",
        summary="Asks Azure AI Face: how many faces, blur, noise, exposure, occlusion, pose, glasses, mask, quality",
        needs=Needs(environment=("AZURE_FACE_KEY",), network=True),
        images_leave_machine=True,
    )
    register(
        "rekognition",
        config=RekognitionConfig,
        implementation="gdp.plugins.face_services.rekognition_filter:RekognitionFilter",
        summary="Asks AWS Rekognition: how many faces, age range, brightness, sharpness, pose, glasses, smile",
        needs=Needs(network=True, modules=("boto3",), install="gdp-distill[rekognition]"),
        images_leave_machine=True,
    )
