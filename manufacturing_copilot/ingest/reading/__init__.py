"""Reading: the bytes of one file → its rows as they were written, and the lines that are no rows.

Nothing here knows a feed's fields: every value stays text, under the file's own column names. What the YAML does
not say about the format is detected and handed back in `Received.contract.reading`, so that the next
file of the feed is read the same way.
"""

from manufacturing_copilot.ingest.reading.files import read_file

__all__ = ["read_file"]
