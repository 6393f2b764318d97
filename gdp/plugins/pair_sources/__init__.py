"""Pair sources: pairs of latent teachers, of translators, and existing ones."""

from __future__ import annotations

from gdp.core.hookspecs import hookimpl
from gdp.core.records import Register
from gdp.plugins.pair_sources.config import (
    FolderConfig,
    LatentDirectionConfig,
    MorphConfig,
    StyleMixConfig,
    TranslateConfig,
    TwoGeneratorsConfig,
)


@hookimpl
def gdp_register_pair_sources(register: Register) -> None:
    """Register the built-in pair sources."""
    register(
        "latent-direction",
        config=LatentDirectionConfig,
        implementation="gdp.plugins.pair_sources.latent_direction:LatentDirectionSource",
        summary="Edits by one or more directions in the teacher's w: w becomes w + d",
    )
    register(
        "style-mix",
        config=StyleMixConfig,
        implementation="gdp.plugins.pair_sources.two_latents:StyleMixSource",
        summary="Two pictures in; coarse layers of the first with fine layers of the second out",
    )
    register(
        "morph",
        config=MorphConfig,
        implementation="gdp.plugins.pair_sources.two_latents:MorphSource",
        summary="Two pictures in; the picture of their mean latent out",
    )
    register(
        "two-generators",
        config=TwoGeneratorsConfig,
        implementation="gdp.plugins.pair_sources.two_latents:TwoGeneratorsSource",
        summary="The same latents through two StyleGAN2s of one family, or through a blend of their layers",
    )
    register(
        "folder",
        config=FolderConfig,
        implementation="gdp.plugins.pair_sources.folder:FolderSource",
        summary="Existing pairs of picture files, matched by name",
    )
    register(
        "translate",
        config=TranslateConfig,
        implementation="gdp.plugins.pair_sources.translate:TranslateSource",
        summary="Real pictures and a translator teacher's, live during training or stored",
    )
