"""A gdp stage that shows what a run's student makes of pictures of yours, and a command that opens what it has made.

Every gdp command imports this module to know what there is, so it must import no torch.
"""

import gdp

from gdp_stage_gallery.config import GalleryConfig

GDP_API = 1


@gdp.hookimpl
def gdp_register_stages(register: gdp.Register) -> None:
    """Register the stage; it stands behind export, where the trained student is."""
    register(
        "gallery",
        config=GalleryConfig,
        implementation="gdp_stage_gallery.stage:GalleryStage",
        summary="Translates pictures of yours by the trained student and shows them side by side",
    )


@gdp.hookimpl
def gdp_register_commands(register: gdp.RegisterCommand) -> None:
    """Register the command."""
    register(
        "gallery",
        implementation="gdp_stage_gallery.command:gallery",
        summary="Tell where a run's gallery is, or open it",
    )
