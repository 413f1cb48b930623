"""Which stages are behind: what has come in since they were last brought up to date."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from manufacturing_copilot.progress import is_current
from manufacturing_copilot.site import Site, Target


def stages_behind(connection: sa.Connection, site: Site, as_of: date) -> list[str]:
    """Return the stages after ingest, in the order of the flow, that are not up to date for `as_of`.

    A stage is behind when a batch was loaded or withdrawn, the site's declaration changed, or the day moved on since.
    """
    parts: dict[str, list[str]] = {
        "unified": ["unified"],
        "forecasts": [f"forecasts/{target.value}" for target in site.forecasts],
        "planning": ["planning"] if Target.DEMAND in site.forecasts else [],
        "alerts": ["alerts"],
        "report": ["report"],
    }
    return [
        stage for stage, names in parts.items() if not all(is_current(connection, site, as_of, name) for name in names)
    ]
