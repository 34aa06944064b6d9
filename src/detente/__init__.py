"""Détente: the brake that AI developers can share.

``guard`` is the one name for training loops; everything else is imported from its room. It is loaded when it is first
used, so that importing the package costs nothing.

``detente.guard`` is also a room, the pure one that decides about permits, and Python binds a package's folder to its name
as soon as anybody imports it. So the room itself can be called, and does what ``detente.hooks.loop.guard`` does
(``docs/decisions/0011-guard-is-a-room-and-a-call.md``).

>>> from detente import guard
>>> with guard("doctest", mode="free") as g:
...     g.step()
>>> import detente.guard.lease
>>> detente.guard is guard
True
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detente.hooks.loop import Paused, guard

__all__ = ["Paused", "__version__", "guard"]


class _CallableRoom(ModuleType):
    """The room ``guard``, which a training loop may call."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        from detente.hooks import loop

        return loop.guard(*arguments, **named)


class _Package(ModuleType):
    """The package itself: it makes the room ``guard`` callable at the moment the import system binds it."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "guard" and isinstance(value, ModuleType):
            value.__class__ = _CallableRoom
        super().__setattr__(name, value)


def __getattr__(name: str) -> Any:
    if name == "guard":
        import importlib

        return importlib.import_module("detente.guard")
    if name == "Paused":
        from detente.hooks.loop import Paused

        return Paused
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("detente")
        except PackageNotFoundError:
            return "unknown"
    raise AttributeError(f"module 'detente' has no attribute {name!r}")


sys.modules[__name__].__class__ = _Package
