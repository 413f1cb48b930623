"""Dagster's UI as an ASGI application, for whoever serves it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.version import __version__ as webserver_version

if TYPE_CHECKING:
    from starlette.applications import Starlette

_STATEMENT_MILLISECONDS, _POOL_RECYCLE_SECONDS, _POOL_OVERFLOW = 15_000, 3_600, 20
"""As `dagster-webserver` has them."""
_POLL_MILLISECONDS = 2_000


@contextmanager
def dagster_ui(workspace: Path, *, path_prefix: str = "", read_only: bool = False) -> Iterator[Starlette]:
    """Give Dagster's UI over the code locations of a workspace file and the instance of DAGSTER_HOME.

    `path_prefix` is where it is mounted, such as `/operate`; with `read_only` nobody can start or change anything.
    """
    with dg.DagsterInstance.get() as instance:
        instance.optimize_for_webserver(_STATEMENT_MILLISECONDS, _POOL_RECYCLE_SECONDS, _POOL_OVERFLOW)
        with WorkspaceProcessContext(
            instance,
            workspace_load_target=WorkspaceFileTarget([str(workspace)]),
            version=webserver_version,
            read_only=read_only,
        ) as context:
            yield create_app_from_workspace_process_context(
                context, path_prefix, _POLL_MILLISECONDS, lifespan=_until_stopped
            )


@asynccontextmanager
async def _until_stopped(_app: Starlette) -> AsyncIterator[None]:
    try:
        yield
    except asyncio.CancelledError:  # how the server's own shutdown ends it
        logging.getLogger(__name__).debug("the web server was stopped")
