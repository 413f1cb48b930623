"""The front door for a person: the command `copilot`."""

from manufacturing_copilot.cli.main import main

__all__ = ["main"]
