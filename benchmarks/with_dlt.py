"""One load of a file of order lines by dlt, in a process of its own; needs nothing of ours but `dlt` and `pyarrow`.

    python benchmarks/with_dlt.py FILE POSTGRES_URL WORKING_FOLDER [FORMAT [STRATEGY]]

dlt's fastest way: Arrow tables straight from pyarrow's CSV reader, handed to PostgreSQL as CSV files through COPY,
no columns of its own, merged by primary key. Prints a line of JSON: wall and CPU seconds, peak memory.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from typing import Any


def main(file: str, url: str, folder: str, file_format: str = "csv", strategy: str = "upsert") -> None:
    """Load `file` and print what it took."""
    os.environ.update(
        {
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "RUNTIME__LOG_LEVEL": "ERROR",
            "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID": "false",
            "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_ID": "false",
            "DLT_DATA_DIR": folder,
        }
    )
    import dlt
    import pyarrow as pa
    import pyarrow.csv as pacsv

    types = pacsv.ConvertOptions(
        column_types={
            "order_no": pa.string(),
            "line_no": pa.string(),
            "item": pa.string(),
            "customer": pa.string(),
            "ordered_on": pa.date32(),
            "requested_on": pa.date32(),
            "quantity": pa.decimal128(18, 6),
            "price": pa.decimal128(18, 6),
            "status": pa.string(),
        }
    )

    @dlt.resource(
        name="order_lines",
        primary_key=("order_no", "line_no"),
        write_disposition={"disposition": "merge", "strategy": strategy},
    )
    def order_lines() -> Iterator[Any]:
        with pacsv.open_csv(file, convert_options=types, read_options=pacsv.ReadOptions(block_size=16 << 20)) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])

    pipeline = dlt.pipeline(
        "orders", destination=dlt.destinations.postgres(url), dataset_name="by_dlt", pipelines_dir=f"{folder}/pipelines"
    )
    _warm(dlt, url, folder)
    began, cpu = time.perf_counter(), time.process_time()
    pipeline.run(order_lines(), loader_file_format=file_format).raise_on_failed_jobs()
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - began,
                "cpu": time.process_time() - cpu,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


def _warm(dlt: Any, url: str, folder: str) -> None:
    """Load one row elsewhere, so that what is imported late is here: starting Python is not counted for us either."""
    destination = dlt.destinations.postgres(url)
    other = dlt.pipeline("one", destination=destination, dataset_name="warm", pipelines_dir=f"{folder}/warm")
    other.run([{"one": 1}], table_name="one").raise_on_failed_jobs()


if __name__ == "__main__":
    main(*sys.argv[1:])
