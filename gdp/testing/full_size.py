"""`python -m gdp.testing.full_size recipes`: what `recipes/stylegan2_ffhq_age.toml` names, with random weights.

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
    parser.add_argument("folder", type=Path, help="folder of the recipe, such as recipes")
    arguments = parser.parse_args()
    try:
        for path in write_published(PluginRegistry.discover(), arguments.folder):
            print(f"{path} ({describe_bytes(path.stat().st_size)}, random weights)")
    except GdpError as error:
        parser.exit(1, f"error: {error}\n")


if __name__ == "__main__":
    main()
