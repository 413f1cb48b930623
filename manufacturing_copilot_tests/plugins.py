"""The plug-in of docs/models.md, installed: its module and the metadata of its package in a folder on the path."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GUIDE = Path(__file__).parents[1] / "docs" / "models.md"


def block(name: str) -> str:
    """The code of the guide whose first line is a comment with this name."""
    found = re.search(rf"^```\w+\n# {re.escape(name)}\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"docs/models.md shows no {name}"
    return found.group(1)


@contextmanager
def installed(folder: Path, module: str, code: str, entry_points: str = "") -> Iterator[None]:
    """A package of one module, installed in `folder` for as long as the context lasts."""
    folder.mkdir(exist_ok=True)
    (folder / f"{module}.py").write_text(code)
    if entry_points:
        metadata = folder / f"{module}-1.2.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.2\n")
        (metadata / "entry_points.txt").write_text(entry_points)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(module, None)


@contextmanager
def slow_movers(folder: Path) -> Iterator[None]:
    """The guide's plug-in, with the entry point that the guide declares."""
    declared = block("pyproject.toml")
    [name, target] = re.findall(r"(\w+) = \"(.*)\"", declared)[0]
    group = re.findall(r"entry-points\.\"(.*)\"", declared)[0]
    with installed(folder, "slow_movers", block("slow_movers.py"), f"[{group}]\n{name} = {target}\n"):
        yield
