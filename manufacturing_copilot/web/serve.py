"""The web server: Dagster's UI behind the gate. `python -m manufacturing_copilot.web.serve --help` says how."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import uvicorn

from manufacturing_copilot.orchestration.webserver import dagster_ui
from manufacturing_copilot.web.gate import HOSTS_VARIABLE, Gate, allowed_hosts


def main(arguments: list[str] | None = None) -> None:
    """Serve until the process is interrupted or terminated."""
    chosen = parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("manufacturing_copilot").setLevel(logging.INFO)
    with dagster_ui(chosen.workspace, path_prefix=chosen.path_prefix, read_only=chosen.read_only) as application:
        uvicorn.run(
            Gate(application, allowed_hosts(chosen.host)),
            host=chosen.host,
            port=chosen.port,
            log_level="warning",
            timeout_graceful_shutdown=2,  # websockets of open pages would be waited for without end
        )


def parser() -> argparse.ArgumentParser:
    """Return the options of the command line."""
    options = argparse.ArgumentParser(
        prog="python -m manufacturing_copilot.web.serve",
        description="Serve Dagster's UI to this machine. Other names under which browsers reach it, behind a proxy for"
        f" example, are declared in {HOSTS_VARIABLE}.",
    )
    options.add_argument("--host", default="127.0.0.1", help="address to listen on; default: 127.0.0.1")
    options.add_argument("--port", "-p", type=int, default=3000, help="port to listen on; default: 3000")
    options.add_argument(
        "--workspace", "-w", type=Path, default=Path("workspace.yaml"), help="file with the code locations"
    )
    options.add_argument("--path-prefix", default="", help="where it is mounted behind a proxy, such as /operate")
    options.add_argument("--read-only", action="store_true", help="show everything, start and change nothing")
    return options


if __name__ == "__main__":
    main()
