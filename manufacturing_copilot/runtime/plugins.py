"""External models: a user's plug-in, or a model of statsforecast or mlforecast by its name.

A plug-in is an entry point of the group GROUP, or anything that `module:attribute` names. It is called with the
options of its version and gives an object with `fit` and `forecast`: see docs/models.md.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points, packages_distributions, version
from pathlib import Path
from typing import Any

from manufacturing_copilot.errors import ModelError
from manufacturing_copilot.site.yaml_documents import did_you_mean

GROUP = "manufacturing_copilot.models"

_NEEDED = ("fit", "forecast")


@dataclass(frozen=True)
class LoadedModel:
    """An external model: what makes it, and the package versions that say whether it has changed since."""

    make: Callable[..., Any]
    packages: Mapping[str, str]


def known_plugins() -> dict[str, str]:
    """Return the plug-ins that are installed: name and module:attribute."""
    return {point.name: point.value for point in sorted(entry_points(group=GROUP))}


def find_plugin(reference: str) -> LoadedModel:
    """Return the plug-in that an entry point's name or `module:attribute` names.

    Raises ModelError where there is none, where it cannot be imported, or where it lacks `fit` or `forecast`.
    """
    point = _entry_point(reference)
    try:
        make = point.load()
    except Exception as error:
        raise ModelError(
            f"the plug-in {reference!r} cannot be loaded from {point.value} ({type(error).__name__}: {error});"
            " install the package that holds it in this environment, and import it once to see that it works"
        ) from error
    missing = [name for name in _NEEDED if inspect.isclass(make) and not callable(getattr(make, name, None))]
    if not callable(make) or missing:
        lacks = f"it has no {' and no '.join(missing)}" if missing else "it cannot be called"
        raise ModelError(f"{point.value} is no model: {lacks}; docs/models.md shows what a plug-in looks like")
    return LoadedModel(make, _packages(point))


def find_statsforecast(name: str) -> LoadedModel:
    """Return the model of statsforecast that is called so; raises ModelError with the nearest name."""
    from statsforecast import models

    names = [key for key, kind in vars(models).items() if inspect.isclass(kind) and hasattr(kind, "forecast")]
    if name not in names:
        raise ModelError(f"statsforecast has no model {name!r}{did_you_mean(name, names)}")
    return LoadedModel(getattr(models, name), {"statsforecast": version("statsforecast")})


def find_regressor(reference: str) -> LoadedModel:
    """Return the regressor for mlforecast that `module.Class` names, such as `lightgbm.LGBMRegressor`.

    Raises ModelError where mlforecast is not installed or the class is not there.
    """
    try:
        importlib.import_module("mlforecast")
    except ImportError as error:
        raise ModelError(
            f"the model names mlforecast, but {error.name} is not installed:"
            " pip install 'manufacturing-copilot[mlforecast]'"
        ) from error
    module, _, name = reference.rpartition(".")
    try:
        make = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ModelError(
            f"the regressor {reference!r} cannot be loaded ({error}); expected a class such as lightgbm.LGBMRegressor"
        ) from error
    packages = ["mlforecast", *packages_distributions().get(module.split(".")[0], [])]
    return LoadedModel(make, {package: version(package) for package in packages})


def check_options(what: str, make: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Raise ModelError where `make` does not take these options."""
    try:
        inspect.signature(make).bind(**options)
    except (TypeError, ValueError) as error:
        names = [
            name
            for name, parameter in inspect.signature(make).parameters.items()
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ]
        raise ModelError(f"{what} does not take these options ({error}); it knows: {', '.join(names)}") from error


def _entry_point(reference: str) -> EntryPoint:
    if ":" in reference:
        return EntryPoint(reference, reference, GROUP)
    points = [point for point in entry_points(group=GROUP) if point.name == reference]
    if not points:
        plugins = known_plugins()
        others = (
            f"installed: {', '.join(plugins)}" if plugins else f"no installed package has an entry point of {GROUP}"
        )
        raise ModelError(
            f"no plug-in is called {reference!r}{did_you_mean(reference, plugins)}; {others}; a module's own is named"
            " module:attribute"
        )
    return points[0]


def _packages(point: EntryPoint) -> dict[str, str]:
    if point.dist is not None:
        return {point.dist.name: point.dist.version, **_source(point.module)}
    names = packages_distributions().get(point.module.split(".")[0], [])
    return {**{name: version(name) for name in names}, **_source(point.module)}


def _source(module: str) -> dict[str, str]:
    # A version number says little of a package that is being worked on: the file tells.
    file = importlib.import_module(module).__file__
    return {f"module {module}": hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]} if file else {}
