"""The processes that one process started, and all that those started: none of them is left behind."""

from __future__ import annotations

import ctypes
import sys

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_SECONDS_TO_END = 10.0


def adopt_orphans() -> None:
    """Let processes whose parent dies become children of this one, so that `end_descendants` still reaches them.

    Only Linux can do so. Elsewhere the processes that a dead child of ours had started are found by their group.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants(*, seconds: float = _SECONDS_TO_END) -> None:
    """End every process below this one: ask it to, and kill what still lives after `seconds`.

    What dies may leave children of its own, so it is looked again until nothing is left.
    """
    while descendants := _living():
        for process in descendants:
            _send(process, kill=False)
        _, alive = psutil.wait_procs(descendants, timeout=seconds)
        for process in alive:
            _send(process, kill=True)
        psutil.wait_procs(alive, timeout=seconds)


def _living() -> list[psutil.Process]:
    found = psutil.Process().children(recursive=True)
    return [process for process in found if _is_alive(process)]


def _is_alive(process: psutil.Process) -> bool:
    try:
        if process.status() != psutil.STATUS_ZOMBIE:
            return True
        process.wait(timeout=0)  # an orphan that we adopted and that has ended
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        return False
    return False


def _send(process: psutil.Process, *, kill: bool) -> None:
    try:
        if kill:
            process.kill()
        else:
            process.terminate()
    except psutil.NoSuchProcess:
        return
