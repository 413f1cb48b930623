"""When a person may be told: quiet hours and digests, in the person's own time zone."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from manufacturing_copilot.site import Person, QuietHours, Severity, Site


def due_at(person: Person, severity: Severity, now: datetime, site: Site) -> datetime:
    """Return the moment from which `person` may be told of something of this severity.

    Critical news comes through at once. The rest waits for the person's next digest, where there is one, and
    then for the end of quiet hours.
    """
    if severity is Severity.CRITICAL:
        return now
    zone = zone_of(person, site)
    due = now if person.digest is None else _next_time(person.digest, now, zone)
    return due if person.quiet is None else _after_quiet(person.quiet, due, zone)


def in_digest(person: Person, severity: Severity) -> bool:
    """Return whether news of this severity goes into the person's digest."""
    return person.digest is not None and severity is not Severity.CRITICAL


def zone_of(person: Person, site: Site) -> ZoneInfo:
    """Return the person's time zone: of the quiet hours where given, else the site's."""
    return ZoneInfo(person.quiet.zone if person.quiet is not None and person.quiet.zone else site.zone)


def _next_time(at: time, now: datetime, zone: ZoneInfo) -> datetime:
    """Return the next moment at which the clock in `zone` shows `at`; `now` itself where it shows it now."""
    local = now.astimezone(zone)
    today = datetime.combine(local.date(), at, zone)
    return today if today >= local else datetime.combine(local.date() + timedelta(days=1), at, zone)


def _after_quiet(quiet: QuietHours, moment: datetime, zone: ZoneInfo) -> datetime:
    clock = moment.astimezone(zone).time().replace(tzinfo=None)
    over_midnight = quiet.start > quiet.end
    is_quiet = clock >= quiet.start or clock < quiet.end if over_midnight else quiet.start <= clock < quiet.end
    return _next_time(quiet.end, moment, zone) if is_quiet else moment
