"""Isolated: files whose libraries may abort, hang or take all memory are opened by a small process of its own.

`worker.py` is that process; it imports nothing of this package, so that it starts quickly.
"""
