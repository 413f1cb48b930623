"""A fuzzer that lets itself be led by the readers' branches (Atheris, on libFuzzer): bytes that crash or lose a row.

    pip install --group fuzz
    python -m manufacturing_copilot_tests.faults.fuzz -max_total_time=300

starts from valid files and the corpus beside this one, and writes what breaks something to the working folder: two
bytes that choose the feed and the ending of the name, then the file. Further arguments are libFuzzer's own; a folder
named first takes what it finds new. Files that broke something are kept in the corpus, which a test tries every time.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["manufacturing_copilot.ingest"]):
    from manufacturing_copilot_tests.faults.mutations import CORPUS, FEEDS, must_hold, seeds

from manufacturing_copilot_tests.ingest.plants import site_of

_ENDINGS = ("csv", "json", "jsonl", "xlsx", "parquet", "zip", "csv.gz", "txt")


def main() -> None:
    """Fuzz until libFuzzer's own limits, or a finding."""
    logging.disable(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="copilot-fuzz-"))
    site = site_of(folder / "site", *FEEDS)
    start = folder / "seeds"
    start.mkdir()
    examples = [(seed.ending, seed.content) for seed in seeds()]
    examples += [(path.name.partition(".")[2], path.read_bytes()) for path in sorted(CORPUS.iterdir())]
    for number, (ending, content) in enumerate(examples):
        (start / str(number)).write_bytes(bytes([number % len(FEEDS), _ENDINGS.index(ending)]) + content)

    def try_input(data: bytes) -> None:
        if len(data) < 2:
            return
        path = folder / f"file.{_ENDINGS[data[1] % len(_ENDINGS)]}"
        path.write_bytes(data[2:])
        must_hold(site, site.feeds[data[0] % len(FEEDS)], path)

    atheris.Setup([*sys.argv, str(start), "-max_len=20000", "-timeout=60"], try_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
