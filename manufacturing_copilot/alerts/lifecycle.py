"""The life of an alert: opened, worsened, eased and resolved as its rule holds or not; people act on it in between.

The same rule about the same subject is one alert until the trouble is over. Its events are the outbox that
`notify` reads, so an alert and the news of it are written in one transaction.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.alerts.evaluate import Hit, RuleResults, evaluate_rules, stale_feed_behind
from manufacturing_copilot.alerts.facts import Question
from manufacturing_copilot.progress import is_current, record_progress
from manufacturing_copilot.site import Severity, Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.locks import lock_until_commit
from manufacturing_copilot.store.tables import AlertEventKind, AlertStatus, alert, alert_event, fact_seen

STAGE = "alerts"
LIVE = (AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED, AlertStatus.SNOOZED)
"""The statuses of an alert that is not resolved."""


@dataclass(frozen=True)
class AlertChanges:
    """What one evaluation of the rules did: how many alerts it changed, and what it held back and why."""

    opened: int = 0
    worsened: int = 0
    eased: int = 0
    resolved: int = 0
    refreshed: int = 0
    """alerts whose numbers were brought up to date, without news for anybody"""
    woken: int = 0
    """snoozed alerts whose time was up"""
    waiting: int = 0
    """hits that have not lasted long enough for their rule"""
    inhibited: dict[str, int] = field(default_factory=dict)
    """stale feed: how many alerts were not opened because they rest on it"""
    unknown: tuple[str, ...] = ()
    """rules that nothing is known for, whose alerts were left as they are"""
    failed_texts: dict[str, int] = field(default_factory=dict)
    """why a rule's text could not be written: how many alerts have a plain one instead"""

    @property
    def changed(self) -> int:
        """How many alerts have news: opened, worsened, eased, resolved or woken."""
        return self.opened + self.worsened + self.eased + self.resolved + self.woken


def update_alerts(store: Store, site: Site, as_of: date, *, actor: str, now: datetime) -> AlertChanges:
    """Apply the site's rules to what is known at the end of `as_of`, and write what changed, in one transaction.

    A second evaluation of the same facts writes nothing. That the stage is up to date is noted with the alerts.
    Raises SiteError where a rule's scope is wrong; then nothing is written.
    """
    with store.read() as connection:
        results = evaluate_rules(connection, Question(site, as_of, now))
    with store.write() as connection:
        lock_until_commit(connection, STAGE)
        changes = _Update(connection, site, as_of, actor, now).apply(results)
        if not is_current(connection, site, as_of, STAGE):
            record_progress(connection, site, as_of, STAGE)
        return changes


@dataclass(frozen=True)
class _Holding:
    """Since when a rule has held for a subject, and the severity at which a person resolved it in that time."""

    since: date
    resolved_at: str | None


@dataclass(frozen=True)
class _Event:
    """What happened to one alert in this update."""

    alert_id: int
    event: str
    note: str


class _Update:
    """One update of the alerts from what the rules gave, inside one transaction."""

    def __init__(self, connection: sa.Connection, site: Site, as_of: date, actor: str, now: datetime) -> None:
        self.connection, self.site, self.as_of, self.actor, self.now = connection, site, as_of, actor, now
        self.events: list[_Event] = []

    def apply(self, results: RuleResults) -> AlertChanges:
        """Write what changed and return the counts."""
        live = self._live_alerts()
        holding = self._remember_since(results)
        to_open, waiting, inhibited = self._choose_new(results, live, holding)
        self._open(to_open)
        refreshed = sum(self._refresh(row, results.hits[key]) for key, row in live.items() if key in results.hits)
        for key, row in live.items():
            if key not in results.hits and key[0] not in results.unknown:
                self._resolve(row)
        if self.events:
            at_once = {"at": self.now, "actor": self.actor}
            self.connection.execute(sa.insert(alert_event), [asdict(event) | at_once for event in self.events])
        kinds = [event.event for event in self.events]
        woken = sum(event.note == _SNOOZE_OVER for event in self.events)
        return AlertChanges(
            opened=len(to_open),
            worsened=kinds.count(AlertEventKind.WORSENED),
            eased=kinds.count(AlertEventKind.EASED),
            resolved=kinds.count(AlertEventKind.RESOLVED),
            refreshed=refreshed,
            woken=woken,
            waiting=waiting,
            inhibited=inhibited,
            unknown=results.unknown,
            failed_texts=Counter(why for hit in results.hits.values() for why in hit.failed_texts),
        )

    def _live_alerts(self) -> dict[tuple[str, str], sa.Row[Any]]:
        rows = self.connection.execute(sa.select(alert).where(alert.c.status.in_(LIVE)))
        return {(row.rule, row.subject): row for row in rows}

    def _remember_since(self, results: RuleResults) -> dict[tuple[str, str], _Holding]:
        """Keep since when each hit has held without a break; forget the others. Rules without facts keep theirs."""
        rows = self.connection.execute(sa.select(fact_seen))
        existing = {(row.rule, row.subject): _Holding(row.since, row.settled) for row in rows}
        gone = [key for key in existing if key not in results.hits and key[0] not in results.unknown]
        new = [key for key in results.hits if key not in existing]
        if gone:
            same = (fact_seen.c.rule == sa.bindparam("r")) & (fact_seen.c.subject == sa.bindparam("s"))
            self.connection.execute(
                sa.delete(fact_seen).where(same), [{"r": rule, "s": subject} for rule, subject in gone]
            )
        if new:
            self.connection.execute(
                sa.insert(fact_seen),
                [{"rule": rule, "subject": subject, "since": self.as_of} for rule, subject in new],
            )
        return existing | dict.fromkeys(new, _Holding(self.as_of, None))

    def _choose_new(
        self, results: RuleResults, live: dict[tuple[str, str], sa.Row[Any]], holding: dict[tuple[str, str], _Holding]
    ) -> tuple[list[Hit], int, dict[str, int]]:
        """Return the hits to open as alerts, how many must last longer first, and how many each stale feed holds."""
        to_open, waiting, inhibited = [], 0, dict[str, int]()
        for key, hit in results.hits.items():
            if key in live or _is_resolved_by_a_person(hit, holding[key]):
                continue
            if self.as_of - holding[key].since < hit.rule.lasting:
                waiting += 1
                continue
            stale = stale_feed_behind(hit.rule, results.stale)
            if stale is not None:
                inhibited[stale] = inhibited.get(stale, 0) + 1
                continue
            to_open.append(hit)
        return to_open, waiting, inhibited

    def _open(self, hits: list[Hit]) -> None:
        if not hits:
            return
        earlier = self._times_opened()
        rows = [self._as_row(hit, earlier.get(hit.key, 0) + 1) for hit in hits]
        inserted = self.connection.execute(sa.insert(alert).returning(alert.c.id, alert.c.title), rows)
        for row in inserted:
            self._record_event(row.id, AlertEventKind.OPENED, row.title)

    def _times_opened(self) -> dict[tuple[str, str], int]:
        query = sa.select(alert.c.rule, alert.c.subject, sa.func.count()).group_by(alert.c.rule, alert.c.subject)
        return {(rule, subject): int(count) for rule, subject, count in self.connection.execute(query)}

    def _as_row(self, hit: Hit, opening: int) -> dict[str, Any]:
        return {
            "identity": f"{hit.rule.rule} | {hit.subject} | {opening}",
            "rule": hit.rule.rule,
            "topic": hit.rule.when.topic.value,
            "subject": hit.subject,
            "item_id": hit.item_id,
            "status": AlertStatus.OPEN,
            "opened_at": self.now,
            "changed_at": self.now,
            "first_seen_on": self.as_of,
            **self._content(hit),
        }

    def _content(self, hit: Hit) -> dict[str, Any]:
        return {
            "severity": hit.severity.value,
            "title": hit.title,
            "advice": hit.advice,
            "value": hit.value,
            "evidence": hit.evidence.as_json(),
            "last_seen_on": self.as_of,
        }

    def _refresh(self, row: sa.Row[Any], hit: Hit) -> bool:
        """Write what differs about a live alert; return whether it changed without news."""
        content = self._content(hit)
        changes = {name: value for name, value in content.items() if getattr(row, name) != value}
        before, after = Severity(row.severity), hit.severity
        is_news = True
        if after.rank > before.rank:
            self._record_event(row.id, AlertEventKind.WORSENED, f"from {before} to {after}: {hit.title}")
            # what somebody acknowledged or snoozed at a lower severity needs to be looked at again
            changes |= {"status": AlertStatus.OPEN, "snoozed_until": None}
        elif after.rank < before.rank:
            self._record_event(row.id, AlertEventKind.EASED, f"from {before} to {after}: {hit.title}")
        elif row.status == AlertStatus.SNOOZED and row.snoozed_until is not None and row.snoozed_until <= self.now:
            self._record_event(row.id, AlertEventKind.OPENED, _SNOOZE_OVER)
            changes |= {"status": AlertStatus.OPEN, "snoozed_until": None}
        else:
            is_news = False
        if not changes:
            return False
        if is_news:
            changes["changed_at"] = self.now
        self.connection.execute(sa.update(alert).where(alert.c.id == row.id).values(changes))
        return not is_news

    def _resolve(self, row: sa.Row[Any]) -> None:
        declared = any(rule.rule == row.rule for rule in self.site.rules)
        note = "it no longer holds" if declared else "the rule is no longer declared"
        self.connection.execute(
            sa.update(alert)
            .where(alert.c.id == row.id)
            .values(status=AlertStatus.RESOLVED, changed_at=self.now, snoozed_until=None)
        )
        self._record_event(row.id, AlertEventKind.RESOLVED, note)

    def _record_event(self, alert_id: int, event: str, note: str) -> None:
        self.events.append(_Event(alert_id, event, note))


_SNOOZE_OVER = "the snooze is over"


def _is_resolved_by_a_person(hit: Hit, holding: _Holding) -> bool:
    """Whether a person resolved this trouble while it lasted, and it has not become worse since."""
    return holding.resolved_at is not None and hit.severity.rank <= Severity(holding.resolved_at).rank
