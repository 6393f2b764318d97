"""Workers of a run: who starts them, and how each opens the run in its own process."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gdp.core.building import blame_of, describe_plugin, require_modules
from gdp.core.errors import PluginError, RecipeError, named_by_option
from gdp.core.progress import SilentProgress
from gdp.core.run_folder import RunFolder
from gdp.registry import PluginRegistry
from gdp.support.devices import device_of_worker
from gdp.tools.crew.request import WorkersRequest
from gdp.tools.run_recipes import as_made, load_recipe_text

if TYPE_CHECKING:
    from gdp.core.run.session import Session
    from gdp.support.interfaces.executors import Executor


@dataclass(frozen=True)
class PluginChoice:
    """Which plugins a worker finds: those of the process that starts it."""

    disabled: frozenset[str] = frozenset()
    folders: tuple[Path, ...] | None = None

    def discover(self) -> PluginRegistry:
        """Return the registry."""
        return PluginRegistry.discover(disabled=self.disabled, folders=self.folders)


@dataclass(frozen=True)
class _OpenRun:
    """Opens a run in a worker's process, which writes nothing of it."""

    recipe: str
    """The resolved recipe's text: its file may be on another machine."""
    stands_at: Path | None
    folder: Path
    device: str
    plugins: PluginChoice

    def __call__(self, number: int) -> Session:
        import torch

        from gdp.core.run.session import Session

        folder, registry = RunFolder(self.folder), self.plugins.discover()
        try:
            recipe = load_recipe_text(self.recipe, as_made(registry, folder), self.stands_at)
        except RecipeError as error:
            raise _told_of_worker(number, error, registry) from error
        device = torch.device(device_of_worker(self.device, number))
        if device.type == "cuda":
            torch.cuda.set_device(device)  # what "cuda" means in a recipe
        return Session(recipe, folder, registry, SilentProgress(), device)


def _told_of_worker(number: int, error: RecipeError, registry: PluginRegistry) -> PluginError:
    """Say that a worker finds other plugins than the process that started it, which has read the same recipe."""
    first, *others = error.mistakes
    more = f" (and {len(others)} more)" if others else ""
    unusable = "".join(f" {row.package} cannot be used there: {row.reason}." for row in registry.defects)
    return PluginError(
        f"worker {number + 1} on {platform.node()} cannot read the recipe that the process which started it has read: "
        f"{first.where}: {first.message}{more}.{unusable} It needs the same gdp and the same plugins, "
        f"which can be imported in another process, too."
    )


def open_executor(registry: PluginRegistry, request: WorkersRequest, device: str) -> Executor:
    """Return the executor that is asked for.

    Raises:
        PluginNotFoundError, MissingResourceError: there is none of that name, or what it needs is not installed.
    """
    from gdp.core.contracts.watching import answering
    from gdp.support.interfaces.executors import ExecutorContext

    with named_by_option():
        record = registry.get("executor", request.executor)
    require_modules([record])
    implementation = registry.load(record)
    where, blame = describe_plugin(record), blame_of(record)
    with blame(where):
        watched = answering(implementation, where, blame)
        executor: Executor = watched(ExecutorContext(request.workers, device, request.address))
    return executor


@contextmanager
def crew_of(
    session: Session, registry: PluginRegistry, request: WorkersRequest, plugins: PluginChoice = PluginChoice()
) -> Iterator[None]:
    """Let workers make and judge the pairs of a run, until the end of the block.

    Args:
        session: the run.
        registry: in which the executor is found.
        request: which workers.
        plugins: how they find theirs.

    Raises:
        GdpError: the executor cannot be used.
    """
    from gdp.support.dispatching import Dispatcher
    from gdp.tools.crew.crew import WorkerCrew
    from gdp.tools.crew.work import RunWork

    executor = open_executor(registry, request, session.device.type)
    try:
        recipe = session.recipe
        opening = _OpenRun(recipe.to_toml(), recipe.path, session.path, session.device.type, plugins)

        def tell(text: str) -> None:
            session.progress.message(text)
            session.folder.log(text)

        dispatcher = Dispatcher(executor, RunWork(opening), tell, session.stop_requested, request.patience)
        session.crew = WorkerCrew(dispatcher, request.place)
        try:
            yield
        finally:
            session.crew = None
            dispatcher.rest()
    finally:
        executor.close()
