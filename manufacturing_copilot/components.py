"""A plant as an entry of anyone's `defs/` folder; the copilot's own code location is `definitions.py`."""

from __future__ import annotations

import dagster as dg
import pydantic

from manufacturing_copilot.dagster_support import Plant
from manufacturing_copilot.orchestration.assembly import build


class SiteComponent(dg.Component, dg.Model, dg.Resolvable):
    """The plant declared in `site_folder`, counted from the folder of the component; one in a code location.

    What is not named comes from the environment, as it does for the copilot's own code location. Secrets belong
    there too: `database_url: "{{ env.PLANT_DATABASE_URL }}"`.
    """

    site_folder: str
    home_folder: str | None = None
    database_url: str | None = pydantic.Field(default=None, repr=False)
    engine: str | None = None

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return everything of the plant: assets, checks, jobs, schedule and sensors."""
        folder = (context.path / self.site_folder).resolve()
        plant = Plant.in_use(folder)
        named = {
            name: value
            for name in ("home_folder", "database_url", "engine")
            if (value := getattr(self, name)) is not None
        }
        fields = {name: getattr(plant, name) for name in type(plant).model_fields} | named
        return build(folder, resources={"plant": Plant(**fields)})
