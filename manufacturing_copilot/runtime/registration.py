"""Registering a version from YAML: other parameters of our method, a plug-in, or a model of a library by its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import Field as Key
from pydantic import PositiveInt, model_validator

from manufacturing_copilot.errors import ModelError
from manufacturing_copilot.runtime.plugins import (
    LoadedModel,
    check_options,
    find_plugin,
    find_regressor,
    find_statsforecast,
)
from manufacturing_copilot.runtime.policies import Policy, declared_policies
from manufacturing_copilot.runtime.registry import promote, register
from manufacturing_copilot.site import Target
from manufacturing_copilot.site.yaml_documents import Declared, Document, KeyProblemError, did_you_mean
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.audit import record_audit_event
from manufacturing_copilot.store.tables import ModelOrigin, ModelRole, model_version

EXTERNAL_METHOD = "manufacturing_copilot.forecasts.outside:forecast"
_KINDS = ("parameters", "plugin", "statsforecast", "mlforecast")


class Regressor(Declared):
    """A regressor that mlforecast turns into a forecaster."""

    model: str = Key(description="module.Class of the regressor, such as lightgbm.LGBMRegressor")
    lags: tuple[PositiveInt, ...] = Key(description="periods back that it sees")
    differences: tuple[PositiveInt, ...] = Key((), description="periods back that are subtracted first")


class Registration(Declared):
    """The keys of a file that registers a version: exactly one of parameters, plugin, statsforecast, mlforecast."""

    model: str | tuple[str, ...] = Key(description="target/frequency/class, such as demand/weekly/smooth; or several")
    parameters: dict[str, Any] | None = Key(None, description="changes to the parameters of the program's own method")
    plugin: str | None = Key(None, description="name of an installed plug-in, or module:attribute")
    statsforecast: str | None = Key(None, description="name of a model of statsforecast, such as AutoETS")
    mlforecast: Regressor | None = Key(None, description="a regressor for mlforecast")
    options: dict[str, Any] = Key(default_factory=dict, description="what the model is made with")
    alias: Literal["champion", "challenger"] | None = Key(
        None, alias="as", description="what it becomes at once; a draft, unless given"
    )
    note: str = Key("", description="why, for whoever looks later")

    @model_validator(mode="after")
    def _one_kind(self) -> Registration:
        given = [name for name in _KINDS if getattr(self, name) is not None]
        if len(given) != 1:
            named = " and ".join(given) or "none of them"
            raise KeyProblemError((given[1],) if len(given) > 1 else (), f"found {named}, expected one of {_LISTED}")
        if self.parameters is not None and self.options:
            raise KeyProblemError(("options",), "options are for models from outside; put them under parameters")
        declared = {policy.name for policy in declared_policies()}
        for name in self.models:
            if name not in declared:
                raise KeyProblemError(
                    ("model",), f"found {name!r}, which is no model; expected target/frequency/class,"
                    f" such as demand/weekly/smooth{did_you_mean(name, declared)}",
                )  # fmt: skip
            if self.parameters is None and not name.startswith(f"{Target.DEMAND.value}/"):
                raise KeyProblemError(("model",), f"found {name!r}; models from outside forecast demand only")
        return self

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models that get a version."""
        return (self.model,) if isinstance(self.model, str) else self.model


_LISTED = ", ".join(_KINDS)


@dataclass(frozen=True)
class RegisteredVersion:
    """A version that a file registered; `is_new` is false where exactly that was registered before."""

    model: str
    version: int
    is_new: bool
    alias: ModelRole | None


def register_file(store: Store, path: Path, actor: str) -> list[RegisteredVersion]:
    """Register what the file says, for each of its models, in one transaction; the audit trail keeps who and why.

    Raises SiteError naming file, line and key of a mistake, and ModelError where the model cannot be loaded or does
    not take its options.
    """
    document = Document(path)
    registration = document.parse(Registration, document.content)
    external = _external_model(registration)
    with store.write() as connection:
        return [_registered(connection, registration, name, external, actor) for name in registration.models]


def _registered(
    connection: sa.Connection, registration: Registration, name: str, external: _ExternalModel | None, actor: str
) -> RegisteredVersion:
    before = set(connection.scalars(sa.select(model_version.c.id)))
    declared = next(policy for policy in declared_policies() if policy.name == name)
    policy = _changed(declared, registration.parameters or {}) if external is None else external.policy(declared)
    number = register(connection, policy, origin=ModelOrigin.REGISTERED)
    is_new = number not in before
    role = ModelRole(registration.alias) if registration.alias is not None else None
    if role is not None:
        promote(connection, number, role)
    version = connection.scalar(sa.select(model_version.c.version).where(model_version.c.id == number)) or 0
    detail = {"note": registration.note, "as": registration.alias, "code": policy.code, "is_new": is_new}
    record_audit_event(connection, actor=actor, verb="model registered", subject=f"{name} v{version}", detail=detail)
    return RegisteredVersion(name, version, is_new, role)


def _changed(declared: Policy, changes: Mapping[str, Any]) -> Policy:
    for name in changes:
        if name not in declared.parameters:
            names = ", ".join(declared.parameters) or "none at all"
            raise ModelError(
                f"{declared.name} has no parameter {name!r}; it has: {names}{did_you_mean(name, declared.parameters)}"
            )
        if isinstance(declared.parameters[name], (int, float)) != isinstance(changes[name], (int, float)):
            raise ModelError(
                f"the parameter {name} of {declared.name} is {changes[name]!r};"
                f" expected something like {declared.parameters[name]!r}"
            )
    return replace(declared, parameters={**declared.parameters, **changes})


@dataclass(frozen=True)
class _ExternalModel:
    """An external model as the parameters of a version, and the packages that it computes with."""

    parameters: Mapping[str, Any]
    packages: Mapping[str, str]
    description: str

    def policy(self, declared: Policy) -> Policy:
        """Return the policy that forecasts with it; where it fails, the declared method stands in."""
        stand_in = {"code": declared.code, "parameters": dict(declared.parameters)}
        return replace(
            declared,
            code=EXTERNAL_METHOD,
            description=self.description,
            parameters={**self.parameters, "stand_in": stand_in},
            contents=self.packages,
        )


def _external_model(registration: Registration) -> _ExternalModel | None:
    if registration.parameters is not None:
        return None
    options = dict(registration.options)
    loaded: LoadedModel
    parameters: dict[str, Any]
    if registration.plugin is not None:
        loaded, parameters = find_plugin(registration.plugin), {"plugin": registration.plugin}
        description = f"the plug-in {registration.plugin}"
    elif registration.statsforecast is not None:
        loaded, parameters = (
            find_statsforecast(registration.statsforecast),
            {"statsforecast": registration.statsforecast},
        )
        description = f"statsforecast's {registration.statsforecast}"
    else:
        regressor = registration.mlforecast
        assert regressor is not None
        loaded, parameters = find_regressor(regressor.model), {"mlforecast": regressor.model}
        parameters |= {"lags": list(regressor.lags), "differences": list(regressor.differences)}
        description = f"mlforecast with {regressor.model}"
    check_options(description, loaded.make, options)
    return _ExternalModel({**parameters, "options": options}, loaded.packages, description)
