"""The engine of browsers, onnxruntime-web (MIT licence): which version, which of its files, and where they lie."""

from __future__ import annotations

from pathlib import Path

from gdp.core.progress import Progress
from gdp.support.downloads.npm import NpmPackage, npm_files
from gdp.support.weights import cache_folder

ONNXRUNTIME_WEB = NpmPackage(
    "onnxruntime-web",
    "1.30.0",
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
    {
        "dist/ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
        "dist/ort-wasm-simd-threaded.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
        "dist/ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
        "dist/ort.webgpu.min.mjs": "3dffff71811bc13a3a3d9591c57ca5ee5735b8f5f3eaf789510b02bb040ae3a0",
        "dist/ort-wasm-simd-threaded.asyncify.mjs": "3d1c85995364bb643302fc6fd877a0c3ba5ae72401815e0f24828a53d9191e28",
        "dist/ort-wasm-simd-threaded.asyncify.wasm": "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da",
    },
)
"""The first three run on the processor (WASM with SIMD), the others on a GPU (WebGPU)."""


def browser_engine(progress: Progress | None = None) -> dict[str, Path]:
    """Return the files of onnxruntime-web, downloaded into the user's cache when they are first needed.

    Args:
        progress: shows the download of 33 MB.

    Returns:
        File name to where it lies.

    Raises:
        MissingResourceError: they are not in the cache, and the registry does not give them; it says what to do.
        CorruptFileError: what the registry gives is something else.
        DiskFullError, RunFolderError: the cache cannot be written.
    """
    advice = "leave the browser's engine out with --only-server: this machine's engine makes the pictures then"
    return npm_files(ONNXRUNTIME_WEB, cache_folder(), advice=advice, progress=progress)
