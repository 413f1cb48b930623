"""The reference page of the facts, made from their declarations."""

from __future__ import annotations

from manufacturing_copilot.alerts.facts import FACTS, Fact
from manufacturing_copilot.alerts.facts.names import EvidenceName
from manufacturing_copilot.site import Condition

_INTRODUCTION = """\
# The facts that rules watch

<!-- Made by `make docs` from the declarations in the code; edit those. -->

A rule in `rules.yaml` names a fact under `when:` and the levels of its value from which it holds. Its texts, `say` and
`advise`, may use the fact's names and `value`, each as `{{ name }}`. A name with a dot is a key inside an object:
`{{ runout.p50 | day }}`. The filter `day` writes a day as "Thursday 3 December", `number` a number as "1,250";
`number(4)` keeps four decimals. `copilot check` finds a name that a fact does not have.

A text that cannot be written for one alert (`{{ on_hand / reorder_point }}` where that point is zero) is replaced
by a plain one that says why; the alert goes out all the same. Write `{% if reorder_point %}…{% endif %}` around such a
part. Texts are bounded: 4,000 characters, no loop within a loop, ranges of 1,000, no macros and includes.

An alert keeps these values as its evidence, under the same names, with `lines` (the first file lines that they came
from) and `batches`. Messages and the report write each value with its label and unit.
"""


def facts_page() -> str:
    """Return the Markdown page of every fact and the names of its evidence."""
    return "\n".join([_INTRODUCTION, *(_section(condition, fact) for condition, fact in FACTS.items())])


def _section(condition: Condition, fact: Fact) -> str:
    kinds = ", ".join(f"`{kind}`" for kind in sorted(fact.rests_on))
    stale = f" No alert is opened while a feed of {kinds} is stale." if kinds else ""
    rows = "".join(_row(name) for name in fact.evidence)
    return (
        f"## {condition.value}\n\nTopic: {condition.topic.value}. Value: {fact.meaning}.{stale}\n\n"
        f"| name | label | value | unit | meaning |\n|---|---|---|---|---|\n{rows}"
    )


def _row(name: EvidenceName) -> str:
    return f"| `{name.name}` | {name.label} | {name.style.value} | {name.unit_for_people} | {name.meaning} |\n"
