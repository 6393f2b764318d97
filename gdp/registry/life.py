"""Telling plugins about the life of a run, so that none of them can break it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import pluggy

from gdp.core import hookspecs
from gdp.core.errors import describe_exception
from gdp.registry.hook_checks import HOOK_ARGUMENTS, Hook


class _PresentNames:
    """Hooks under the names of today."""

    def __init__(self, hooks: Sequence[Hook]) -> None:
        for hook in hooks:
            setattr(self, hook.name, hookspecs.hookimpl(hook.function))


class LifeHooks:
    """Calls the hooks of a run's life one listener at a time; a listener that raises is logged once and left out."""

    def __init__(self) -> None:
        self._listeners: list[tuple[object, str]] = []
        self._silenced: set[str] = set()

    @cached_property
    def _manager(self) -> pluggy.PluginManager:
        """Pluggy's manager of the listeners, made when the first of them is to be told something."""
        manager = pluggy.PluginManager("gdp")
        manager.add_hookspecs(hookspecs)
        for plugin, name in self._listeners:
            manager.register(plugin, name)
        return manager

    @property
    def relay(self) -> pluggy.HookRelay:
        """Pluggy's own relay, without the protection."""
        return self._manager.hook

    def listen(self, plugin: object, name: str, hooks: Sequence[Hook]) -> None:
        """Add a plugin module or object whose hooks have been checked; old names are heard under those of today."""
        if any(hook.deprecations for hook in hooks):
            plugin = _PresentNames(hooks)
        self._listeners.append((plugin, name))
        if "_manager" in vars(self):
            self._manager.register(plugin, name)

    def notify(self, hook: str, **arguments: Any) -> None:
        """Tell every listener, in the order of registration.

        Args:
            hook: the hook's name, such as `gdp_stage_finished`.
            arguments: all arguments of the hook's spec.

        Raises:
            ValueError: no such hook, or arguments that are not the spec's (a bug of the caller).
        """
        if set(arguments) != set(HOOK_ARGUMENTS.get(hook, ())):
            raise ValueError(f"{hook} is no hook with the arguments {', '.join(sorted(arguments))}")
        implementations = self._manager.subset_hook_caller(hook, ()).get_hookimpls()
        for implementation in reversed(implementations):  # pluggy calls the last one first
            if implementation.plugin_name in self._silenced:
                continue
            chosen = {name: arguments[name] for name in implementation.argnames}
            try:
                implementation.function(**chosen)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 # a listener must not break the run
                import logging

                self._silenced.add(implementation.plugin_name)
                logging.getLogger(__name__).warning(
                    "plugin %s failed in %s (%s); the run goes on and the plugin is told nothing more",
                    implementation.plugin_name,
                    hook,
                    describe_exception(error),
                )
