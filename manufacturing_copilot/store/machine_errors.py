"""Trouble of the machine beneath, in a sentence: a disk that is full, a database that does not answer.

Nobody's data is at fault then, and what was under way can be done again once the trouble is over.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa

from manufacturing_copilot.errors import CopilotError, StoreError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FULL_WORDS = ("No space left on device", "database or disk is full", "Disk quota exceeded", "File too large")
_AGAIN = "what was not finished is as before, and the next `copilot run` takes it up"


def describe_machine_error(error: BaseException) -> str | None:
    """Return what is wrong with the machine beneath in a sentence; None where the error says something else."""
    for cause in _causes(error):
        if _is_full(cause):
            return f"the disk is full ({_first_line(cause)}); free some space, {_AGAIN}"
        if isinstance(cause, sqlite3.OperationalError) and "disk I/O error" in str(cause):  # also of a full disk
            return f"the disk cannot be read or written ({_first_line(cause)}); free some space on it, {_AGAIN}"
        if _is_gone(cause):
            return f"the database does not answer any more ({_first_line(cause)}); see that its server runs, {_AGAIN}"
        if isinstance(cause, sqlite3.OperationalError) and "locked" in str(cause):
            return f"another program has locked the database ({_first_line(cause)}); end it, {_AGAIN}"
    return None


@contextmanager
def translate_machine_errors() -> Iterator[None]:
    """Raise StoreError, with the sentence, in the place of an error that is trouble of the machine beneath."""
    try:
        yield
    except CopilotError:
        raise
    except Exception as error:
        sentence = describe_machine_error(error)
        if sentence is None:
            raise
        raise StoreError(sentence) from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop(0)
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [getattr(cause, "orig", None), cause.__cause__, cause.__context__]


def _is_full(error: BaseException) -> bool:
    if isinstance(error, psycopg.errors.DiskFull):
        return True
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    # pyarrow, polars and SQLite say it in words only
    of_the_machine = isinstance(error, OSError | sqlite3.Error) or type(error).__module__.startswith("polars")
    return of_the_machine and any(words in str(error) for words in _FULL_WORDS)


def _is_gone(error: BaseException) -> bool:
    if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
        return True
    if not isinstance(error, psycopg.OperationalError):
        return False
    # Class 57P: an operator's intervention; 08: of the connection. Without a code, no server was there to give one.
    return error.sqlstate is None or error.sqlstate[:3] == "57P" or error.sqlstate[:2] == "08"


def _first_line(error: BaseException) -> str:
    if isinstance(error, sa.exc.DBAPIError) and error.orig is not None:
        error = error.orig
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
