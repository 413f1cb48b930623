"""Asking the worker process to open a file: one worker is kept and used again, and started anew where it dies."""

from __future__ import annotations

import atexit
import json
import os
import select
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.reading.bounded import refuse_over
from manufacturing_copilot.site.file_bounds import Limits

_PROGRAM = (sys.executable, "-P", str(Path(__file__).with_name("worker.py")))
_STEP = 1 << 20
_AS_CSV = "or export it as CSV"


class Opener:
    """Opens files by a worker process; one at a time, from any thread."""

    def __init__(self, program: Sequence[str] = _PROGRAM) -> None:
        """Prepare; the process starts with the first file."""
        self._program = program
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def open(self, type: str, content: bytes, name: str, limits: Limits, **options: Any) -> tuple[dict[str, Any], Any]:
        """Return what the worker says of a file, and its table.

        Raises BatchError where the file is damaged or over a bound, or where opening it ends the worker.
        """
        header = {
            "type": type,
            "rows": limits.rows,
            "columns": limits.columns,
            "cells": limits.cells,
            "unpacked": limits.unpacked,
            "memory": limits.memory,
            "seconds": limits.seconds,
            **options,
        }
        with self._lock:
            head, payload = self._asked(header, content, name, limits)
        if head["fate"] == "memory":
            self.close()
            refuse_over(name, "memory", None, limits.memory)
        if head["fate"] == "refused" and head["key"] is not None:
            refuse_over(name, head["key"], head["value"], header[head["key"]])
        if head["fate"] != "opened":
            raise _damaged(type, name, head["text"])
        with pa.ipc.open_stream(payload) as reader:
            return head, reader.read_all()

    def close(self) -> None:
        """End the worker."""
        process, self._process = self._process, None
        if process is not None and self._owner == os.getpid():
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def _asked(self, header: dict[str, Any], content: bytes, name: str, limits: Limits) -> tuple[dict[str, Any], bytes]:
        process = self._running()
        until = time.monotonic() + limits.seconds
        try:
            parts = (json.dumps(header).encode(), content)
            message = [part for text in parts for part in (struct.pack(">Q", len(text)), text)]
            _send(process, message, until)
            head = json.loads(_receive(process, until))
            return head, _receive(process, until)
        except TimeoutError:
            self.close()
            refuse_over(name, "seconds", None, limits.seconds)
            raise
        except (BrokenPipeError, EOFError):
            code = process.wait()
            self.close()
            raise _damaged(header["type"], name, f"opening it ended with {_ended(code)}") from None
        except BaseException:
            self.close()  # half an answer is on the way
            raise

    def _running(self) -> subprocess.Popen[bytes]:
        if self._owner != os.getpid():  # after a fork the worker is the parent's
            self._process = None
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._owner = os.getpid()
            self._process = subprocess.Popen(
                self._program,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1"},
            )
            assert self._process.stdin is not None
            os.set_blocking(self._process.stdin.fileno(), False)  # it may take nothing more
        return self._process


def _damaged(type: str, name: str, why: str) -> BatchError:
    if type == "parquet":
        return BatchError(f"{name}: the Parquet file cannot be read ({why}); export it again")
    if "ncrypt" in why or "assword" in why:
        return BatchError(f"{name}: the workbook cannot be read ({why}); save it without a password, {_AS_CSV}")
    return BatchError(
        f"{name}: the excel file is damaged or holds what cannot be read ({why}); export it again, {_AS_CSV}"
    )


def _ended(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _send(process: subprocess.Popen[bytes], parts: Sequence[bytes], until: float) -> None:
    assert process.stdin is not None
    for part in parts:
        view = memoryview(part)
        while view:
            if not select.select([], [process.stdin], [], max(0.0, until - time.monotonic()))[1]:
                raise TimeoutError
            view = view[os.write(process.stdin.fileno(), view[:_STEP]) :]


def _receive(process: subprocess.Popen[bytes], until: float) -> bytes:
    return _read(process, struct.unpack(">Q", _read(process, 8, until))[0], until)


def _read(process: subprocess.Popen[bytes], length: int, until: float) -> bytes:
    assert process.stdout is not None
    pieces, left = [], length
    while left:
        if not select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
            raise TimeoutError
        piece = os.read(process.stdout.fileno(), min(left, _STEP))
        if not piece:
            raise EOFError
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


OPENER = Opener()
"""The worker of this process."""
atexit.register(OPENER.close)
