"""The processes behind `copilot up`: code servers, web server and daemon, kept together by one that ends them all.

Run as `python -m manufacturing_copilot.orchestration.services`. It ends when its standard input does, which whoever
started it holds open: so it learns of that process's end however that came about.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import yaml
from dagster._cli.proxy_server_manager import ProxyServerManager
from dagster._core.workspace.load_target import WorkspaceFileTarget

from manufacturing_copilot.orchestration.process_tree import adopt_orphans, end_descendants

logger = logging.getLogger(__name__)

_MODULE = "manufacturing_copilot.definitions"
_LOOK_EVERY_SECONDS = 0.5
_SECONDS_TO_STOP = 15.0


def main() -> int:
    """Run the services until one of them ends, or standard input does; return the exit code."""
    chosen = _parser().parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("manufacturing_copilot").setLevel(logging.INFO)
    adopt_orphans()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    threading.Thread(target=_wait_for_end_of_input, args=(stopping,), daemon=True).start()
    try:
        with dg.DagsterInstance.get() as instance, _code_servers(instance) as workspace:
            return _run(chosen.host, chosen.port, workspace, stopping)
    finally:
        end_descendants()


def _run(host: str, port: int, workspace: Path, stopping: threading.Event) -> int:
    web = [sys.executable, "-m", "manufacturing_copilot.web.serve", "--host", host, "--port", str(port)]
    commands = {
        "web server": [*web, "--workspace", str(workspace)],
        "daemon": [sys.executable, "-m", "dagster._daemon", "run", "--workspace", str(workspace)],
    }
    services = {
        name: subprocess.Popen(command, stdin=subprocess.DEVNULL)
        for name, command in commands.items()
        if not stopping.is_set()
    }
    code = 0
    while not stopping.wait(_LOOK_EVERY_SECONDS):
        ended = [name for name, process in services.items() if process.poll() is not None]
        if ended:
            logger.error("the %s ended by itself with exit code %s", ended[0], services[ended[0]].returncode)
            code = 1
            break
    for process in services.values():
        process.terminate()
    for process in services.values():
        try:
            process.wait(timeout=_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
    return code


@contextmanager
def _code_servers(instance: dg.DagsterInstance) -> Iterator[Path]:
    """Start the code servers of ./workspace.yaml, or of the site in use; give the workspace file that names them."""
    with tempfile.TemporaryDirectory() as folder:
        declared = Path("workspace.yaml").resolve()
        if not declared.exists():
            declared = Path(folder) / "site.yaml"
            location = {"python_module": {"module_name": _MODULE, "location_name": _MODULE}}
            declared.write_text(yaml.safe_dump({"load_from": [location]}), encoding="utf-8")
        target = WorkspaceFileTarget([str(declared)])
        with ProxyServerManager(instance, target, code_server_log_level="WARNING") as servers:
            running = Path(folder) / "workspace.yaml"
            specs = [dict(spec) for spec in servers.get_code_server_specs()]
            running.write_text(yaml.safe_dump({"load_from": specs}), encoding="utf-8")
            yield running


def _wait_for_end_of_input(stopping: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    stopping.set()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="The services of `copilot up`.")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())
