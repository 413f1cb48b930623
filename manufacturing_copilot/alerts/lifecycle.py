"""The life of an alert: opened, worsened, eased and resolved by what the rules find; settled by people.

The same rule about the same subject is one alert until the trouble is over. Its events are the outbox that
`notify` reads, so an alert and the news of it are written in one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.alerts.evaluate import Findings, Hit, find, stale_feed_behind
from manufacturing_copilot.alerts.facts import Question
from manufacturing_copilot.progress import is_current, note_follows
from manufacturing_copilot.site import Severity, Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.locks import lock_until_commit
from manufacturing_copilot.store.tables import alert, alert_event, fact_seen

STAGE = "alerts"
LIVE = ("open", "acknowledged", "snoozed")


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation did: how many alerts it changed, and what it held back and why."""

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

    @property
    def changed(self) -> int:
        """How many alerts have news: opened, worsened, eased, resolved or woken."""
        return self.opened + self.worsened + self.eased + self.resolved + self.woken


def evaluate(store: Store, site: Site, as_of: date, *, actor: str, now: datetime) -> Evaluation:
    """Apply the site's rules to what is known at the end of `as_of`, and write what changed, in one transaction.

    A second evaluation of the same facts writes nothing. That the stage is up to date is noted with the alerts.
    Raises SiteError where a rule's text or scope is wrong; then nothing is written.
    """
    with store.read() as connection:
        findings = find(connection, Question(site, as_of, now))
    with store.write() as connection:
        lock_until_commit(connection, STAGE)
        done = _Pass(connection, site, as_of, actor, now).run(findings)
        if not is_current(connection, site, as_of, STAGE):
            note_follows(connection, site, as_of, STAGE)
        return done


@dataclass(frozen=True)
class _Seen:
    since: date
    settled: str | None


class _Pass:
    """One pass over the findings, inside one transaction."""

    def __init__(self, connection: sa.Connection, site: Site, as_of: date, actor: str, now: datetime) -> None:
        self.connection, self.site, self.as_of, self.actor, self.now = connection, site, as_of, actor, now
        self.events: list[dict[str, Any]] = []

    def run(self, findings: Findings) -> Evaluation:
        """Write what changed and return the counts."""
        live = self._live()
        seen = self._remember(findings)
        opened, waiting, inhibited = self._choose_new(findings, live, seen)
        self._open(opened)
        refreshed = sum(
            self._bring_up_to_date(row, findings.hits[key]) for key, row in live.items() if key in findings.hits
        )
        for key, row in live.items():
            if key not in findings.hits and key[0] not in findings.unknown:
                self._resolve(row)
        if self.events:
            self.connection.execute(sa.insert(alert_event), self.events)
        words = [event["event"] for event in self.events]
        woken = sum(event["note"] == _WOKEN for event in self.events)
        return Evaluation(
            opened=len(opened),
            worsened=words.count("worsened"),
            eased=words.count("eased"),
            resolved=words.count("resolved"),
            refreshed=refreshed,
            woken=woken,
            waiting=waiting,
            inhibited=inhibited,
            unknown=findings.unknown,
        )

    def _live(self) -> dict[tuple[str, str], sa.Row[Any]]:
        rows = self.connection.execute(sa.select(alert).where(alert.c.status.in_(LIVE)))
        return {(row.rule, row.subject): row for row in rows}

    def _remember(self, findings: Findings) -> dict[tuple[str, str], _Seen]:
        """Keep since when each hit has held without a break; forget the others. Rules without facts keep theirs."""
        rows = self.connection.execute(sa.select(fact_seen))
        known = {(row.rule, row.subject): _Seen(row.since, row.settled) for row in rows}
        gone = [key for key in known if key not in findings.hits and key[0] not in findings.unknown]
        new = [key for key in findings.hits if key not in known]
        if gone:
            same = (fact_seen.c.rule == sa.bindparam("r")) & (fact_seen.c.subject == sa.bindparam("s"))
            self.connection.execute(sa.delete(fact_seen).where(same), [{"r": rule, "s": about} for rule, about in gone])
        if new:
            self.connection.execute(
                sa.insert(fact_seen),
                [{"rule": rule, "subject": about, "since": self.as_of} for rule, about in new],
            )
        return known | dict.fromkeys(new, _Seen(self.as_of, None))

    def _choose_new(
        self, findings: Findings, live: dict[tuple[str, str], Any], seen: dict[tuple[str, str], _Seen]
    ) -> tuple[list[Hit], int, dict[str, int]]:
        opened, waiting, inhibited = [], 0, dict[str, int]()
        for key, hit in findings.hits.items():
            if key in live or _is_settled(hit, seen[key]):
                continue
            if self.as_of - seen[key].since < hit.rule.lasting:
                waiting += 1
                continue
            stale = stale_feed_behind(hit.rule, findings.stale)
            if stale is not None:
                inhibited[stale] = inhibited.get(stale, 0) + 1
                continue
            opened.append(hit)
        return opened, waiting, inhibited

    def _open(self, hits: list[Hit]) -> None:
        if not hits:
            return
        before = self._openings()
        rows = [self._as_row(hit, before.get(hit.key, 0) + 1) for hit in hits]
        made = self.connection.execute(sa.insert(alert).returning(alert.c.id, alert.c.title), rows)
        self.events.extend(self._event(row.id, "opened", row.title) for row in made)

    def _openings(self) -> dict[tuple[str, str], int]:
        query = sa.select(alert.c.rule, alert.c.subject, sa.func.count()).group_by(alert.c.rule, alert.c.subject)
        return {(rule, subject): int(count) for rule, subject, count in self.connection.execute(query)}

    def _as_row(self, hit: Hit, opening: int) -> dict[str, Any]:
        return {
            "identity": f"{hit.rule.rule} | {hit.subject} | {opening}",
            "rule": hit.rule.rule,
            "topic": hit.rule.when.topic.value,
            "subject": hit.subject,
            "item_id": hit.item_id,
            "status": "open",
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
            "evidence": hit.evidence,
            "last_seen_on": self.as_of,
        }

    def _bring_up_to_date(self, row: Any, hit: Hit) -> bool:
        """Write what differs about a live alert; return whether it changed without news."""
        content = self._content(hit)
        changes = {name: value for name, value in content.items() if getattr(row, name) != value}
        before, after = Severity(row.severity), hit.severity
        event = None
        if after.rank > before.rank:
            event = self._event(row.id, "worsened", f"from {before} to {after}: {hit.title}")
            # what somebody had settled at a lower severity needs to be looked at again
            changes |= {"status": "open", "snoozed_until": None}
        elif after.rank < before.rank:
            event = self._event(row.id, "eased", f"from {before} to {after}: {hit.title}")
        elif row.status == "snoozed" and row.snoozed_until is not None and row.snoozed_until <= self.now:
            event = self._event(row.id, "opened", _WOKEN)
            changes |= {"status": "open", "snoozed_until": None}
        if not changes:
            return False
        if event is not None:
            self.events.append(event)
            changes["changed_at"] = self.now
        self.connection.execute(sa.update(alert).where(alert.c.id == row.id).values(changes))
        return event is None

    def _resolve(self, row: Any) -> None:
        declared = any(rule.rule == row.rule for rule in self.site.rules)
        note = "it no longer holds" if declared else "the rule is no longer declared"
        self.connection.execute(
            sa.update(alert)
            .where(alert.c.id == row.id)
            .values(status="resolved", changed_at=self.now, snoozed_until=None)
        )
        self.events.append(self._event(row.id, "resolved", note))

    def _event(self, alert_id: int, event: str, note: str) -> dict[str, Any]:
        return {"alert_id": alert_id, "at": self.now, "actor": self.actor, "event": event, "note": note}


_WOKEN = "the snooze is over"


def _is_settled(hit: Hit, seen: _Seen) -> bool:
    """Whether a person resolved this trouble while it lasted, and it has not become worse since."""
    return seen.settled is not None and hit.severity.rank <= Severity(seen.settled).rank
