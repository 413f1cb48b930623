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
