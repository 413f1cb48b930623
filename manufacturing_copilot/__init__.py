"""Manufacturing Copilot: from a plant's exports to the right person's inbox."""

__version__ = "0.1.0"
