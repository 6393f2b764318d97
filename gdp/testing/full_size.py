"""`python -m gdp.testing.full_size .`: what the recipe stylegan2-ffhq-age names, with random weights.

The recipe's dry run, its estimate and a shortened run can so be tried before the real files are there. The files take
about 200 MB; pictures made with them show nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gdp.core.errors import GdpError
from gdp.core.memory import describe_bytes
from gdp.registry import PluginRegistry
from gdp.tools.bench.random_weights import write_published


def main() -> None:
    """Write the files into the folder that is named."""
    parser = argparse.ArgumentParser(prog="python -m gdp.testing.full_size", description=__doc__)
    parser.add_argument(
        "folder", type=Path, help="where the recipe is used: the present folder, .; or that of its file"
    )
    arguments = parser.parse_args()
    try:
        for path in write_published(PluginRegistry.discover(), arguments.folder):
            print(f"{path} ({describe_bytes(path.stat().st_size)}, random weights)")
    except GdpError as error:
        parser.exit(1, f"error: {error}\n")


if __name__ == "__main__":
    main()
