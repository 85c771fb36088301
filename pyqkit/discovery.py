"""What a new file brings along is found by importing every module of its package."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Generic, TypeVar

Rule = TypeVar("Rule")


def import_modules(package: str) -> None:
    """Import all modules of a package, so that what they announce is known."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")


class Registry(Generic[Rule]):
    """Rules by name, registered by the modules of packages.

    These are imported when the first rule is asked for; others may register theirs at any time.

    Parameters
    ----------
    packages : str
    """

    def __init__(self, *packages: str) -> None:
        self._packages = packages
        self._rules: dict[str, Rule] = {}
        self._complete = False

    def register(self, kind: str) -> Callable[[Rule], Rule]:
        """Decorator that registers a rule under a name."""

        def keep(rule: Rule) -> Rule:
            self._rules[kind] = rule
            return rule

        return keep

    def get(self, kind: str) -> Rule | None:
        """Rule of a name, None if there is none; modules are imported where it is not known yet."""
        if kind not in self._rules:
            self._find()
        return self._rules.get(kind)

    def names(self) -> tuple[str, ...]:
        """All names that have a rule."""
        self._find()
        return tuple(self._rules)

    def _find(self) -> None:
        if not self._complete:
            self._complete = True
            for package in self._packages:
                import_modules(package)


class ClassRegistry(Generic[Rule]):
    """Rules by class, registered by the modules of a package.

    A class without a rule takes that of the nearest class it is derived from. The modules are imported when
    the first rule is asked for.

    Parameters
    ----------
    package : str
    """

    def __init__(self, package: str) -> None:
        self._package = package
        self._rules: dict[type, Rule] = {}
        self._complete = False

    def register(self, kind: type) -> Callable[[Rule], Rule]:
        """Decorator that registers the rule of a class."""

        def keep(rule: Rule) -> Rule:
            self._rules[kind] = rule
            return rule

        return keep

    def get(self, kind: type) -> Rule | None:
        """Rule of a class, None if neither it nor what it is derived from has one."""
        if not self._complete:
            self._complete = True
            import_modules(self._package)
        return next((self._rules[base] for base in kind.__mro__ if base in self._rules), None)
