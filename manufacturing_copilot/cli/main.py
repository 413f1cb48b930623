"""The command `copilot`: joins the groups of commands, and turns errors into a sentence and an exit code."""

from __future__ import annotations

import sys

import sqlalchemy as sa
import typer

import manufacturing_copilot.cli.demo as demo
import manufacturing_copilot.cli.items as items
import manufacturing_copilot.cli.operations as operations
from manufacturing_copilot.cli import alerts, batches, database, feeds, models, overrides, sites
from manufacturing_copilot.cli.console import complain
from manufacturing_copilot.errors import CopilotError
from manufacturing_copilot.store.machine_errors import describe_machine_error

app = typer.Typer(
    name="copilot",
    help="From a plant's exports to the right person's inbox.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
sites.add_to(app)
operations.add_to(app)
app.add_typer(items.app, name="item")
app.add_typer(batches.batch_app, name="batch")
app.add_typer(batches.rejected_app, name="rejected")
app.add_typer(feeds.app, name="feed")
app.add_typer(alerts.app, name="alert")
app.add_typer(models.app, name="model")
app.add_typer(overrides.app, name="override")
app.add_typer(database.app, name="db")
app.add_typer(demo.app, name="demo")


def main() -> None:
    """Run the command line; an error that the user can fix is printed as one sentence, with exit code 1."""
    try:
        app()
    except CopilotError as error:
        complain(str(error))
        sys.exit(1)
    except (OSError, sa.exc.SQLAlchemyError) as error:
        trouble = describe_machine_error(error)
        if trouble is None:
            raise
        complain(trouble)
        sys.exit(1)
    except KeyboardInterrupt:
        complain("stopped; unfinished work was not saved, and the next run continues")
        sys.exit(130)
