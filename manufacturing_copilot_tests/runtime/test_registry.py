from dataclasses import replace

import pytest
import sqlalchemy as sa

from manufacturing_copilot.errors import ModelError
from manufacturing_copilot.runtime.policies import Policy, declared_policies
from manufacturing_copilot.runtime.registry import aliased, champion, load_code, promote, register, register_declared
from manufacturing_copilot.site import Frequency, Target
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import model_version

POLICY = Policy(
    Target.DEMAND,
    Frequency.WEEKLY,
    "smooth",
    "manufacturing_copilot.forecasts.regular:forecast",
    "a mean",
    {"cap": 100},
)


def test_the_same_content_is_the_same_version(store: Store) -> None:
    with store.write() as connection:
        first = register(connection, POLICY)
        assert register(connection, replace(POLICY)) == first
        assert connection.scalar(sa.select(sa.func.count()).select_from(model_version)) == 1


def test_other_parameters_are_a_new_version_and_the_old_one_stays_as_it_was(store: Store) -> None:
    with store.write() as connection:
        first = register(connection, POLICY)
        before = connection.execute(sa.select(model_version).where(model_version.c.id == first)).one()
        second = register(connection, replace(POLICY, parameters={"cap": 200}))
        after = connection.execute(sa.select(model_version).where(model_version.c.id == first)).one()
        versions = connection.scalars(sa.select(model_version.c.version).order_by(model_version.c.id)).all()
    assert second != first
    assert before == after
    assert list(versions) == [1, 2]


def test_another_package_version_is_a_new_version(store: Store) -> None:
    with store.write() as connection:
        first = register(connection, POLICY)
        assert register(connection, replace(POLICY, contents={"numpy": "99.0"})) != first


def test_a_registered_version_is_a_draft_until_an_alias_points_at_it(store: Store) -> None:
    with store.write() as connection:
        version = register(connection, POLICY)
        assert connection.scalar(sa.select(model_version.c.status)) == "draft"
        promote(connection, version)
        found = champion(connection, "demand", "weekly", "smooth")
    assert (found.id, found.status, found.parameters) == (version, "active", {"cap": 100})


def test_a_champion_that_is_replaced_is_retired(store: Store) -> None:
    with store.write() as connection:
        old = register(connection, POLICY)
        promote(connection, old)
        new = register(connection, replace(POLICY, parameters={"cap": 200}))
        promote(connection, new, "challenger")
        challenger = aliased(connection, "demand", "weekly", "smooth", "challenger")
        assert challenger is not None and challenger.id == new
        assert champion(connection, "demand", "weekly", "smooth").id == old
        promote(connection, new)
        assert champion(connection, "demand", "weekly", "smooth").id == new
        assert connection.scalar(sa.select(model_version.c.status).where(model_version.c.id == old)) == "retired"


def test_registering_what_is_declared_again_changes_no_champion(store: Store) -> None:
    with store.write() as connection:
        first = register_declared(connection, declared_policies())
        chosen = register(connection, replace(POLICY, parameters={"cap": 7}))
        promote(connection, chosen)
        again = register_declared(connection, declared_policies())
        assert champion(connection, "demand", "weekly", "smooth").id == chosen
    assert len(first.new) == first.versions == len(declared_policies())
    assert again.new == ()


def test_a_version_that_was_tampered_with_is_refused(store: Store) -> None:
    with store.write() as connection:
        promote(connection, register(connection, POLICY))
        connection.execute(sa.update(model_version).values(parameters={"cap": 1}))
        with pytest.raises(ModelError, match=r"changed after it was registered.*hash"):
            champion(connection, "demand", "weekly", "smooth")


def test_a_missing_champion_says_which_and_what_to_do(store: Store) -> None:
    with (
        store.read() as connection,
        pytest.raises(ModelError, match=r"quality/weekly/all; materialize .*runtime/models"),
    ):
        champion(connection, "quality", "weekly", "all")


def test_promoting_a_version_that_is_not_there_is_refused(store: Store) -> None:
    with store.write() as connection, pytest.raises(ModelError, match="id 4711"):
        promote(connection, 4711)


@pytest.mark.parametrize("policy", declared_policies(), ids=lambda policy: policy.name)
def test_the_code_of_every_declared_policy_can_be_loaded(policy: Policy) -> None:
    assert callable(load_code(policy.code))


@pytest.mark.parametrize("code", ["nothing", "manufacturing_copilot.nothing:forecast", "manufacturing_copilot:nothing"])
def test_code_that_is_not_there_is_refused_by_name(code: str) -> None:
    with pytest.raises(ModelError, match=f"{code}.*module:function"):
        load_code(code)


def test_every_target_frequency_and_class_has_one_policy() -> None:
    names = [policy.name for policy in declared_policies()]
    assert len(names) == len(set(names)) == len(Frequency) * (7 + 3)
