"""The registry: models, their immutable versions, and the aliases champion and challenger that point at them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa

from manufacturing_copilot.errors import ModelError
from manufacturing_copilot.runtime.policies import Policy, content_hash
from manufacturing_copilot.site import Frequency, Target
from manufacturing_copilot.store.tables import (
    ModelOrigin,
    ModelRole,
    RunPurpose,
    RunStatus,
    VersionStatus,
    model,
    model_alias,
    model_run,
    model_version,
)
from manufacturing_copilot.store.types import utc_now


@dataclass(frozen=True)
class ModelVersion:
    """One immutable version of a model, as it was registered."""

    id: int
    model: str
    version: int
    status: str
    code: str
    parameters: Mapping[str, Any]
    packages: Mapping[str, str]
    hash: str


@dataclass(frozen=True)
class Registered:
    """What registering the declared policies did."""

    versions: int
    new: tuple[str, ...]
    left: tuple[str, ...] = ()


def register(connection: sa.Connection, policy: Policy, origin: ModelOrigin = ModelOrigin.DECLARED) -> int:
    """Return the id of the version that holds exactly this policy; make it (as a draft) where it is new."""
    model_id = _model_id(connection, policy)
    digest = policy.hash()
    version_id = connection.scalar(
        sa.select(model_version.c.id).where(model_version.c.model_id == model_id, model_version.c.hash == digest)
    )
    if version_id is not None:
        return int(version_id)
    newest = connection.scalar(
        sa.select(sa.func.max(model_version.c.version)).where(model_version.c.model_id == model_id)
    )
    made = connection.execute(
        sa.insert(model_version).values(
            model_id=model_id,
            version=(newest or 0) + 1,
            status=VersionStatus.DRAFT,
            code=policy.code,
            parameters=dict(policy.parameters),
            packages=policy.package_versions(),
            hash=digest,
            created_at=utc_now(),
            origin=origin,
        )
    )
    return _made_id(made)


def promote(connection: sa.Connection, version_id: int, alias: ModelRole = ModelRole.CHAMPION) -> None:
    """Point `alias` of the version's model at it; the version becomes active, one left without alias retired."""
    model_id = connection.scalar(sa.select(model_version.c.model_id).where(model_version.c.id == version_id))
    if model_id is None:
        raise ModelError(f"no model version has the id {version_id}")
    champion_id = connection.scalar(
        sa.select(model_alias.c.version_id).where(
            model_alias.c.model_id == model_id, model_alias.c.alias == ModelRole.CHAMPION
        )
    )
    if alias == ModelRole.CHALLENGER and champion_id == version_id:
        raise ModelError("the champion cannot challenge itself; promote another version first")
    # What becomes the champion is no challenger any more.
    freed = sa.or_(model_alias.c.alias == alias, model_alias.c.version_id == version_id)
    connection.execute(sa.delete(model_alias).where(model_alias.c.model_id == model_id, freed))
    connection.execute(sa.insert(model_alias).values(model_id=model_id, alias=alias, version_id=version_id))
    _set_status(connection, model_version.c.id == version_id, VersionStatus.ACTIVE)
    pointed_at = sa.select(model_alias.c.version_id).where(model_alias.c.model_id == model_id)
    left = sa.and_(
        model_version.c.model_id == model_id,
        model_version.c.status == VersionStatus.ACTIVE,
        model_version.c.id.not_in(pointed_at),
    )
    _set_status(connection, left, VersionStatus.RETIRED)


def register_declared(connection: sa.Connection, policies: Iterable[Policy]) -> Registered:
    """Register the policies the program declares; one never seen follows the one declared before as champion.

    Where a person (or a comparison) made another version the champion, that stays, and the new one is its challenger
    unless there is one. A version that is known already changes no alias.
    """
    before = set(connection.scalars(sa.select(model_version.c.id)))
    names: list[str] = []
    left: list[str] = []
    total = 0
    for policy in policies:
        total += 1
        current, declared_before = champion_of(connection, policy.name), _newest_declared(connection, policy.name)
        version_id = register(connection, policy)
        if version_id in before:
            continue
        names.append(policy.name)
        if current is None or current == declared_before:
            promote(connection, version_id)
            continue
        left.append(policy.name)
        if aliased(connection, *policy.place, ModelRole.CHALLENGER) is None:
            promote(connection, version_id, ModelRole.CHALLENGER)
    return Registered(versions=total, new=tuple(names), left=tuple(left))


def champion_of(connection: sa.Connection, name: str) -> int | None:
    """Return the id of the version that the model's alias champion points at."""
    return connection.scalar(
        sa.select(model_alias.c.version_id)
        .join(model, model.c.id == model_alias.c.model_id)
        .where(model.c.name == name, model_alias.c.alias == ModelRole.CHAMPION)
    )


def _newest_declared(connection: sa.Connection, name: str) -> int | None:
    return connection.scalar(
        sa.select(sa.func.max(model_version.c.id))
        .join(model, model.c.id == model_version.c.model_id)
        .where(model.c.name == name, model_version.c.origin == ModelOrigin.DECLARED)
    )


def champion(connection: sa.Connection, target: str, frequency: str, demand_class: str) -> ModelVersion:
    """Return the version that forecasts this target, frequency and class.

    Raises ModelError where none is registered, or where the stored content no longer matches its hash.
    """
    version = aliased(connection, target, frequency, demand_class, ModelRole.CHAMPION)
    if version is None:
        raise ModelError(
            f"no champion is registered for {target}/{frequency}/{demand_class};"
            " materialize the asset runtime/models, which registers the declared policies"
        )
    return version


Champions: TypeAlias = Mapping[tuple[Frequency, str], ModelVersion]
"""The champions of a target, by frequency and demand class."""


def champions_of(
    connection: sa.Connection, target: Target, frequencies: Iterable[Frequency], demand_classes: Sequence[str]
) -> Champions:
    """Return the champions of a target by frequency and class; raises ModelError as `champion` does."""
    return {
        (frequency, demand_class): champion(connection, target.value, frequency.value, demand_class)
        for frequency in frequencies
        for demand_class in demand_classes
    }


def aliased(
    connection: sa.Connection, target: str, frequency: str, demand_class: str, alias: ModelRole
) -> ModelVersion | None:
    """Return the version that `alias` points at, None where it points at none."""
    query = _VERSIONS.join(model_alias, model_alias.c.version_id == model_version.c.id).where(
        model.c.target == target,
        model.c.frequency == frequency,
        model.c.demand_class == demand_class,
        model_alias.c.alias == alias,
    )
    return _checked(connection.execute(query).one_or_none())


def version_of(connection: sa.Connection, name: str, version: int) -> ModelVersion:
    """Return a version of a model by its number; raises ModelError where there is none."""
    query = _VERSIONS.where(model.c.name == name, model_version.c.version == version)
    match = _checked(connection.execute(query).one_or_none())
    if match is None:
        raise ModelError(f"{name} has no version {version}; `copilot model show {name}` lists those it has")
    return match


def previous(connection: sa.Connection, name: str, version_id: int) -> ModelVersion | None:
    """Return the retired version that forecast last before this one, None where none did."""
    last = sa.func.max(model_run.c.id)
    query = (
        sa.select(model_run.c.version_id)
        .join(model_version, model_version.c.id == model_run.c.version_id)
        .join(model, model.c.id == model_version.c.model_id)
        .where(
            model.c.name == name,
            model_version.c.id != version_id,
            model_version.c.status == VersionStatus.RETIRED,
            model_run.c.purpose == RunPurpose.FORECAST,
            model_run.c.status == RunStatus.SUCCESS,
        )
        .group_by(model_run.c.version_id)
        .order_by(last.desc())
        .limit(1)
    )
    number = connection.scalar(query)
    return None if number is None else _checked(connection.execute(_VERSIONS.where(model_version.c.id == number)).one())


_VERSIONS = sa.select(model_version, model.c.name.label("model")).join(model, model.c.id == model_version.c.model_id)


def _checked(row: sa.Row[Any] | None) -> ModelVersion | None:
    if row is None:
        return None
    if content_hash(row.code, row.parameters, row.packages) != row.hash:
        raise ModelError(
            f"version {row.version} of {row.model} was changed after it was registered: its content does not"
            " match its hash; register the policy again and promote the new version"
        )
    return ModelVersion(row.id, row.model, row.version, row.status, row.code, row.parameters, row.packages, row.hash)


_METHOD_MODULES = {
    f"manufacturing_copilot.forecasts.{name}": f"manufacturing_copilot.forecasts.methods.{module}"
    for name, module in {
        "regular": "regular",
        "sparse": "sparse",
        "young": "new_items",
        "dying": "fading",
        "supply": "lead_times",
        "quality": "defect_rates",
        "outside": "external_models",
    }.items()
} | {"manufacturing_copilot.forecasts.inventory": "manufacturing_copilot.planning.projection"}
"""Where the methods of our own policies live today. A version keeps the name under which it was registered for ever."""


def load_code(code: str) -> Callable[..., Any]:
    """Return the function that `module:function` names; raises ModelError where there is none."""
    module_name, _, function_name = code.partition(":")
    module_name = _METHOD_MODULES.get(module_name, module_name)
    try:
        return getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ModelError(
            f"the model's code {code!r} cannot be loaded ({error}); expected module:function of an installed package"
        ) from error


def _model_id(connection: sa.Connection, policy: Policy) -> int:
    model_id = connection.scalar(sa.select(model.c.id).where(model.c.name == policy.name))
    if model_id is not None:
        return int(model_id)
    made = connection.execute(
        sa.insert(model).values(
            name=policy.name,
            target=policy.target.value,
            frequency=policy.frequency.value,
            demand_class=policy.demand_class,
            description=policy.description,
        )
    )
    return _made_id(made)


def _made_id(result: sa.CursorResult[Any]) -> int:
    key = result.inserted_primary_key
    if key is None:
        raise ModelError("the database gave no id for a new row of the registry")
    return int(key[0])


def _set_status(connection: sa.Connection, where: sa.ColumnElement[bool], status: str) -> None:
    connection.execute(sa.update(model_version).where(where).values(status=status))
