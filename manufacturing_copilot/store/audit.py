"""The audit trail: who did what to what, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.store.tables import audit_event
from manufacturing_copilot.store.types import utc_now


def record_audit_event(
    connection: sa.Connection,
    *,
    actor: str,
    verb: str,
    subject: str,
    detail: Mapping[str, Any],
    at: datetime | None = None,
) -> None:
    """Write one entry into the audit trail, in the caller's transaction.

    `verb` is what was done ("alert resolved"), `subject` to what ("alert 12"), `detail` why and under which
    circumstances, as JSON. `at` is UTC; default: now.
    """
    connection.execute(
        sa.insert(audit_event).values(at=at or utc_now(), actor=actor, verb=verb, subject=subject, detail=dict(detail))
    )
