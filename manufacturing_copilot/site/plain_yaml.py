"""YAML as people mean it: `no` is a word, 20:00 a time of day, 007 a code; only true and false are flags."""

from __future__ import annotations

import re
from typing import Any

import yaml


class SiteLoader(yaml.SafeLoader):
    """PyYAML's safe loader with the plain words of YAML 1.2 instead of YAML 1.1.

    YAML 1.1 reads `yes`, `no`, `on` and `off` as flags, 20:00 as 1200 and 007 as 7: a status word, a time of day
    or an item's code would silently become something else.
    """


_READ_OTHERWISE = {"tag:yaml.org,2002:bool", "tag:yaml.org,2002:int"}
SiteLoader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag not in _READ_OTHERWISE]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
SiteLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))
SiteLoader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))
# 1:30.5 would be 90.5 seconds to YAML 1.1.
SiteLoader.yaml_implicit_resolvers = {
    first: [
        (tag, re.compile(r"^[-+]?[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?$") if tag.endswith(":float") else form)
        for tag, form in resolvers
    ]
    for first, resolvers in SiteLoader.yaml_implicit_resolvers.items()
}


def _day(loader: SiteLoader, node: yaml.ScalarNode) -> Any:
    """Return the day in `node`, or its text if there is no such day (the check of the key reports it)."""
    try:
        return loader.construct_yaml_timestamp(node)
    except ValueError:
        return node.value


SiteLoader.add_constructor("tag:yaml.org,2002:timestamp", _day)


BYTES_AT_MOST = 2_000_000
"""Size of a file; the largest of real sites have some thousands of bytes."""
_DEPTH_AT_MOST = 100
_VALUES_AT_MOST = 200_000


def what_is_too_much(text: str) -> tuple[int, str] | None:
    """Return the line and why where a YAML text is nested too deeply, or its aliases make far more of it than it is.

    Looks at one token after the other, so that it ends soon whatever the text is. None where nothing is too much;
    raises yaml.YAMLError where it is no YAML.
    """
    sizes: dict[str, int] = {}
    open_: list[tuple[str | None, int]] = []  # of each open list or mapping: its anchor, and the values before it
    count = 0
    for event in yaml.parse(text, Loader=SiteLoader):
        line = event.start_mark.line + 1 if event.start_mark is not None else 1
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in (anchor for anchor, _ in open_):
                return line, f"the aliases of {event.anchor!r} lead into itself; write out what is meant"
            count += sizes.get(event.anchor or "", 1)
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            open_.append((event.anchor, count))
            count += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_.pop()
            if anchor is not None:
                sizes[anchor] = count - before
        if len(open_) > _DEPTH_AT_MOST:
            return line, f"values are nested more than {_DEPTH_AT_MOST} deep; look for a bracket that is not closed"
        if count > _VALUES_AT_MOST:
            return line, f"with its aliases the file holds more than {_VALUES_AT_MOST:,} values; write less of them"
    return None
