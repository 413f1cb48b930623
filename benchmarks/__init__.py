"""Comparisons, each of two things in one run: ours and a peer, on the same machine, the same data, in turn."""
