"""Challengers: each is compared with its champion on the same past windows, with a verdict and its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from time import perf_counter

import polars as pl
import sqlalchemy as sa
from scipy import stats

from manufacturing_copilot.errors import ModelError
from manufacturing_copilot.forecasts.demand import days_ahead, read_demand_facts
from manufacturing_copilot.forecasts.evaluation.backtests import BacktestResult, PastWindow, backtest, past_windows
from manufacturing_copilot.forecasts.evaluation.quality_report import TOLERANCE
from manufacturing_copilot.forecasts.evaluation.scores import PooledScores, value_added
from manufacturing_copilot.forecasts.history.periods import first_period
from manufacturing_copilot.runtime.comparisons import Comparison, record_comparison, waiting
from manufacturing_copilot.runtime.policies import DEMAND_CLASSES
from manufacturing_copilot.runtime.registry import (
    Champions,
    ModelVersion,
    aliased,
    champion,
    champions_of,
    previous,
    promote,
    version_of,
)
from manufacturing_copilot.runtime.runs import Failure, Run, Work, record_run, record_scores, working
from manufacturing_copilot.runtime.series import numbers_of
from manufacturing_copilot.site import Frequency, Site, Target
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.audit import record_audit_event
from manufacturing_copilot.store.tables import ModelRole, RunPurpose
from manufacturing_copilot.store.types import utc_now

SIGNIFICANT = 0.05
FEWEST_PAIRS = 8
"""Series below which no paired test is trusted: with seven that all agree, chance alone does it in 1 of 128."""

BY_ITSELF = "copilot"
_NOMINAL = {"coverage_80": 0.80, "coverage_95": 0.95}


@dataclass(frozen=True)
class Verdict:
    """Whether the challenger is better, by how much, how surely, and why in a sentence."""

    is_better: bool
    gain: float | None
    p_value: float | None
    pairs: int
    reason: str


def judge(champion: BacktestResult, challenger: BacktestResult, gain_wanted: float) -> Verdict:
    """Return whether the challenger is to replace the champion.

    Its pooled RMSSE over the series that both have must be less by `gain_wanted`, the Wilcoxon signed-rank test over
    the series (one-sided; Wilcoxon 1945, for comparisons over many data sets Demsar 2006) must find that no chance
    at the 5 % level, and its bounds must hold what they say within TOLERANCE, or at least what the champion's hold.
    """
    pairs = champion.scores.select("name", "rmsse").join(
        challenger.scores.select("name", pl.col("rmsse").alias("other")), on="name"
    )
    pairs = pairs.drop_nulls()
    gain = value_added(pairs["other"].mean(), pairs["rmsse"].mean())
    if pairs.height < FEWEST_PAIRS or gain is None:
        return Verdict(
            False, gain, None, pairs.height,
            f"only {pairs.height} series could be scored with both; at least {FEWEST_PAIRS} are needed",
        )  # fmt: skip
    less = (pairs["rmsse"] - pairs["other"]).to_numpy()
    p_value = float(stats.wilcoxon(less, alternative="greater").pvalue) if less.any() else 1.0
    short = _short_bounds(champion.pooled, challenger.pooled)
    figures = (
        f"its error is {abs(gain):.1%} {'less' if gain >= 0 else 'more'} over {pairs.height} series (p {p_value:.3g})"
    )
    if gain < gain_wanted:
        return Verdict(False, gain, p_value, pairs.height, f"{figures}; a gain of {gain_wanted:.1%} is asked for")
    if p_value >= SIGNIFICANT:
        return Verdict(False, gain, p_value, pairs.height, f"{figures}, which may be chance")
    if short:
        return Verdict(False, gain, p_value, pairs.height, f"{figures}, but {short}")
    return Verdict(True, gain, p_value, pairs.height, f"{figures}, and its bounds hold")


def compare_challenger(
    store: Store,
    site: Site,
    name: str,
    as_of: date,
    *,
    version: int | None = None,
    windows: int | None = None,
    run_id: str | None = None,
) -> Comparison:
    """Score the challenger (or the version given) of a model beside its champion, and record the comparison.

    Where the site promotes by itself and the challenger is better, it becomes the champion in the same transaction.
    A version that is not the challenger is only compared. Raises ModelError where there is nothing to compare.
    """
    target, frequency, demand_class = _parts_of_name(name)
    with working(store, run_id, RunPurpose.BACKTEST) as work:
        with store.read() as connection:
            contenders = _contenders(connection, name, version)
            champions = champions_of(connection, Target.DEMAND, (frequency,), DEMAND_CLASSES)
            is_challenger = aliased(connection, target, frequency.value, demand_class, ModelRole.CHALLENGER)
            facts = read_demand_facts(connection, site, as_of)
        past = past_windows(
            facts,
            frequency,
            as_of,
            site.horizons[frequency],
            windows or site.models.windows,
            days_ahead=days_ahead({each: site.horizons[each] for each in site.forecasts.get(Target.DEMAND, ())}),
            clean=site.outliers == "cut",
        )
        results: dict[str, BacktestResult] = {}
        runs: list[tuple[Run, BacktestResult]] = []
        for role, contender in contenders.items():
            with_contender = {**champions, (frequency, demand_class): contender}
            result, run = _run(work, past, with_contender, contender, name, as_of, run_id)
            if result is not None:
                results[role] = result
                runs.append((run, result))
        if not {ModelRole.CHAMPION, ModelRole.CHALLENGER} <= set(results):
            raise ModelError(f"{name} had no series with a past window as of {as_of}, so nothing could be compared")
        verdict = judge(results[ModelRole.CHAMPION], results[ModelRole.CHALLENGER], site.models.gain)
        at_stake = is_challenger is not None and is_challenger.id == contenders[ModelRole.CHALLENGER].id
        promoted = verdict.is_better and at_stake and site.models.promote == "automatic"
        comparison = Comparison(
            model=name,
            champion=contenders[ModelRole.CHAMPION],
            challenger=contenders[ModelRole.CHALLENGER],
            as_of=as_of,
            windows=len(past),
            series=verdict.pairs,
            gain=verdict.gain,
            p_value=verdict.p_value,
            measures={
                **{role: result.pooled for role, result in results.items()},
                "value_added": _value_added(results),
            },
            is_better=verdict.is_better,
            promoted=promoted,
            reason=verdict.reason,
        )
        with store.write() as connection:
            for run, result in runs:
                _record(connection, run, result)
            record_comparison(connection, comparison)
            if promoted:
                _promote(connection, comparison)
        return comparison


def _parts_of_name(name: str) -> tuple[str, Frequency, str]:
    target, _, rest = name.partition("/")
    frequency, _, demand_class = rest.partition("/")
    if target != Target.DEMAND.value:
        raise ModelError(f"{name}: models of demand are compared on past windows; those of {target} have none")
    try:
        return target, Frequency(frequency), demand_class
    except ValueError:
        raise ModelError(f"there is no model {name!r}; `copilot model list --all` shows those there are") from None


def _contenders(connection: sa.Connection, name: str, version: int | None) -> dict[str, ModelVersion]:
    target, frequency, demand_class = name.split("/")
    holder = champion(connection, target, frequency, demand_class)
    other = (
        aliased(connection, target, frequency, demand_class, ModelRole.CHALLENGER)
        if version is None
        else version_of(connection, name, version)
    )
    if other is None:
        raise ModelError(
            f"{name} has no challenger; name a version (--version), or make one: copilot model promote {name} VERSION"
            " --challenger"
        )
    if other.id == holder.id:
        raise ModelError(f"version {holder.version} is the champion of {name}; name another one to compare it with")
    before = previous(connection, name, holder.id)
    contenders: dict[str, ModelVersion] = {ModelRole.CHAMPION: holder, ModelRole.CHALLENGER: other}
    return contenders if before is None or before.id == other.id else {**contenders, "previous": before}


def _run(
    work: Work,
    past: list[PastWindow],
    champions: Champions,
    version: ModelVersion,
    name: str,
    as_of: date,
    run_id: str | None,
) -> tuple[BacktestResult | None, Run]:
    target, frequency, demand_class = _parts_of_name(name)
    number = work.begin(version.id, target, frequency.value, demand_class, as_of, 0)
    started_at, start = utc_now(), perf_counter()
    scored = backtest(past, champions, demand_class)
    return scored, Run(
        version_id=version.id,
        target=target,
        frequency=frequency.value,
        demand_class=demand_class,
        as_of=as_of,
        started_at=started_at,
        seconds=perf_counter() - start,
        series=scored.scores.height if scored else 0,
        failures=[Failure(series, reason) for series, reason in scored.failures] if scored else (),
        metrics=scored.pooled if scored else {},
        run_id=run_id,
        purpose=RunPurpose.BACKTEST,
        number=number,
    )


def _record(connection: sa.Connection, run: Run, scored: BacktestResult) -> None:
    number = record_run(connection, run)
    # A series that was never forecast in earnest has no number, and its scores are in the pooled ones alone.
    long = scored.scores.join(numbers_of(connection, run.target, run.frequency), on="name").unpivot(
        index=["name", "series_id"], variable_name="measure", value_name="value"
    )
    record_scores(
        connection, long.drop_nulls("value").select(pl.lit(number).alias("run_id"), "series_id", "measure", "value")
    )


def _short_bounds(champion: PooledScores, challenger: PooledScores) -> str:
    for measure, nominal in _NOMINAL.items():
        covered, before = challenger.get(measure), champion.get(measure)
        if covered is not None and covered < min(nominal - TOLERANCE, before if before is not None else 1.0):
            return f"its {nominal:.0%} bounds held only {covered:.1%} of what came"
    return ""


def _value_added(results: Mapping[str, BacktestResult]) -> dict[str, float | None]:
    """Return what the challenger saves of the error of the naive forecast and of the version before the champion."""
    pooled = results[ModelRole.CHALLENGER].pooled
    against = {"naive": pooled.get("naive_rmsse")}
    against |= {role: result.pooled.get("rmsse") for role, result in results.items() if role != ModelRole.CHALLENGER}
    return {role: value_added(pooled.get("rmsse"), error) for role, error in against.items()}


def _promote(connection: sa.Connection, done: Comparison) -> None:
    promote(connection, done.challenger.id)
    subject = f"{done.model} v{done.challenger.version}"
    detail = {"note": done.reason, "instead_of": done.champion.version, "p_value": done.p_value, "gain": done.gain}
    record_audit_event(connection, actor=BY_ITSELF, verb="model champion", subject=subject, detail=detail)


@dataclass(frozen=True)
class DueComparisons:
    """What `compare_due_challengers` did: the comparisons, and in words which models could not be compared and why."""

    done: tuple[Comparison, ...]
    problems: tuple[str, ...]


def compare_due_challengers(store: Store, site: Site, as_of: date, *, run_id: str | None = None) -> DueComparisons:
    """Compare every challenger that has a new period to be judged by, at most once a week.

    What cannot be compared is reported and keeps no other from it. A significance of 5 % is that of one comparison: who
    compares the same two every week will once be misled, which is what the gain asked for is there for.
    """
    with store.read() as connection:
        pairs = waiting(connection).rows()
    done: list[Comparison] = []
    problems: list[str] = []
    for name, last in pairs:
        try:
            _, frequency, _ = _parts_of_name(name)
            if frequency in site.forecasts.get(Target.DEMAND, ()) and _is_due(frequency, last, as_of):
                done.append(compare_challenger(store, site, name, as_of, run_id=run_id))
        except ModelError as problem:
            problems.append(str(problem))
    return DueComparisons(tuple(done), tuple(problems))


def _is_due(frequency: Frequency, last: date | None, as_of: date) -> bool:
    if last is None:
        return True
    return as_of >= last + timedelta(days=7) and first_period(as_of, frequency) > first_period(last, frequency)
