"""The command line `copilot`: parses options, calls a stage, prints the result. No rules of the plant live here."""

from manufacturing_copilot.cli.main import main

__all__ = ["main"]
