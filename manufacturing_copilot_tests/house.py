"""The rules that keep the house's shape, as checks of a package folder; each returns what breaks it, in words.

They read the syntax of every module, so that a module made today is held to them too. What import-linter can say
stands in pyproject.toml as well; these also see names inside a library and attributes.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

MODULES_PER_FOLDER = 15
PACKAGE = "manufacturing_copilot"
EDGE_MODULES = {"components.py", "dagster_support.py", "definitions.py"}
DRIVERS = {"psycopg", "psycopg2", "sqlite3", "sqlalchemy.dialects"}
DATABASE_QUESTIONS = {"is_sqlite", "dialect", "get_backend_name", "get_dialect", "get_driver_name", "drivername"}
"""Attributes of our store, of SQLAlchemy's connections and of its URLs that say which database it is."""
_DATABASE_NAME = re.compile(r"(sqlite3?|postgres(ql)?)([+:].*)?")


def modules(package: Path) -> Iterator[Path]:
    """Give every module of the package."""
    return (path for path in sorted(package.rglob("*.py")) if "__pycache__" not in path.parts)


def imports_of(module: Path) -> set[str]:
    """Return the full names that a module imports, wherever in it; a name from a module counts as part of it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def is_edge(module: Path, package: Path) -> bool:
    """Whether a module may import Dagster: a stage's `defs/`, `orchestration/`, or a front door."""
    parts = module.relative_to(package).parts
    return "defs" in parts[:-1] or parts[0] == "orchestration" or (len(parts) == 1 and parts[0] in EDGE_MODULES)


def dagster_outside_the_edge(package: Path) -> list[str]:
    """Return the modules that import Dagster, or what stands on it, and may not."""

    def is_dagster(name: str) -> bool:
        library = name.partition(".")[0]
        parts = name.split(".")
        ours = library == PACKAGE and (name.startswith(f"{PACKAGE}.dagster_support") or "defs" in parts)
        return ours or library == "dagster" or library.startswith("dagster_")

    return [
        f"{module.relative_to(package)} imports {name}"
        for module in modules(package)
        if not is_edge(module, package)
        for name in sorted(imports_of(module))
        if is_dagster(name)
    ]


def database_outside_the_store(package: Path) -> list[str]:
    """Return where a module outside `store` asks which database it is, or uses one by its driver or dialect."""
    problems = []
    for module in modules(package):
        where = module.relative_to(package)
        if where.parts[0] == "store":
            continue
        drivers = {name for name in imports_of(module) if any(f"{name}.".startswith(f"{d}.") for d in DRIVERS)}
        problems += [f"{where} imports {name}" for name in sorted(drivers)]
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.expr) and _asks_for_the_database(node):
                problems.append(f"{where}:{node.lineno} asks for {ast.unparse(node)}")
    return problems


def _asks_for_the_database(node: ast.expr) -> bool:
    """Whether an expression asks which database it is, or holds the name or URL that an answer is compared with."""
    if isinstance(node, ast.Attribute):
        return node.attr in DATABASE_QUESTIONS
    named = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return named and _DATABASE_NAME.fullmatch(node.value) is not None


def crowded_folders(package: Path) -> dict[str, int]:
    """Return the folders with more modules at one level than fit, and how many; `__init__` does not count."""
    folders = {path.parent for path in modules(package)}
    counts = {folder: sum(path.name != "__init__.py" for path in folder.glob("*.py")) for folder in folders}
    return {
        str(folder.relative_to(package.parent)): count for folder, count in counts.items() if count > MODULES_PER_FOLDER
    }


def rooms_without_a_sentence(package: Path) -> list[str]:
    """Return the packages whose first line does not say what belongs in them."""
    return [
        str(path.relative_to(package.parent))
        for path in modules(package)
        if path.name == "__init__.py" and len(_first_line(path).split()) < 4
    ]


def repeated_names(package: Path) -> dict[str, list[str]]:
    """Return the names of modules and rooms that occur in more than one room, with where; `defs/` may repeat names."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for path in modules(package):
        where = path.relative_to(package)
        if "defs" in where.parts or "migrations" in where.parts or len(where.parts) == 1:
            continue
        name = where.parts[-2] if path.name == "__init__.py" else path.stem
        # `runs/runs.py` is the main module of its room, and no second meaning
        if path.stem != where.parts[-2]:
            places[name].append(str(where))
    return {name: found for name, found in places.items() if len(found) > 1}


def _first_line(module: Path) -> str:
    return (ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or "").partition("\n")[0]
