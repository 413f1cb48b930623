"""What may come by GET, and what a POST must be."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest

from manufacturing_copilot.web.graphql_rules import check_body, check_content_type, check_get
from manufacturing_copilot.web.refusal import Refusal

LAUNCH = 'launchRun(executionParams: {selector: {}, mode: "x"}) { __typename }'


def by_get(query: str, **fields: str) -> None:
    check_get(urlencode({"query": query, **fields}).encode())


@pytest.mark.parametrize(
    "query",
    [
        "{ version }",
        "query { version }",
        "query Q($name: String) { version } ",
        "# mutation { launchRun }\n{ version }",
        '{ runs(filter: "mutation { launchRun }") { id } }',
        "query Q { ...F } fragment F on Query { version }",
    ],
)
def test_one_query_comes_by_get(query: str) -> None:
    by_get(query)


@pytest.mark.parametrize(
    "query",
    [
        f"mutation {{ {LAUNCH} }}",
        f"mutation M {{ {LAUNCH} }}",
        f"  \n\t,,, mutation{{{LAUNCH}}}",
        f"# only a query\n# query\nmutation {{ {LAUNCH} }}",
        f"\ufeffmutation {{ {LAUNCH} }}",
        "mutation { ...F } fragment F on Mutation { launchRun { __typename } }",
        "fragment F on Mutation { launchRun { __typename } } mutation { ...F }",
        f"mutation @include(if: true) {{ {LAUNCH} }}",
        "subscription { pipelineRunLogs { __typename } }",
    ],
)
def test_what_changes_something_does_not_come_by_get(query: str) -> None:
    with pytest.raises(Refusal, match="is not taken by GET; send it by POST") as refusal:
        by_get(query)
    assert refusal.value.status == 405


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        (f"query A {{ version }} mutation B {{ {LAUNCH} }}", {"operationName": "B"}),
        (f"mutation B {{ {LAUNCH} }} query A {{ version }}", {"operationName": "A"}),
        ("query A { version } query B { version }", {}),
        ("fragment F on Query { version }", {}),
    ],
)
def test_a_get_carries_one_operation(query: str, fields: dict[str, str]) -> None:
    with pytest.raises(Refusal, match="a GET carries one GraphQL operation") as refusal:
        by_get(query, **fields)
    assert refusal.value.status == 400


@pytest.mark.parametrize("query", ["MUTATION { launchRun }", "", "{", "muta\u200btion { x }", "{ a" * 30_000])
def test_what_is_no_graphql_is_refused(query: str) -> None:
    with pytest.raises(Refusal, match="the query is") as refusal:
        by_get(query)
    assert refusal.value.status == 400


@pytest.mark.parametrize(
    "query_string",
    [
        "query=%7Bversion%7D&query=" + quote(f"mutation {{ {LAUNCH} }}"),
        "query=%7Bversion%7D&qu%65ry=" + quote(f"mutation {{ {LAUNCH} }}"),
        "query=%FF",
        "query=caf\xe9",
        "&".join(f"a{number}=1" for number in range(200)),
    ],
)
def test_an_address_that_can_be_read_two_ways_is_refused(query_string: str) -> None:
    with pytest.raises(Refusal, match="the address") as refusal:
        check_get(query_string.encode("latin-1"))
    assert refusal.value.status == 400


def test_a_get_without_a_query_is_for_a_page() -> None:
    check_get(b"")
    check_get(b"theme=dark")


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON", "application/json; charset=utf-8"])
def test_json_is_taken(kind: str) -> None:
    check_content_type([kind])


@pytest.mark.parametrize(
    "kinds",
    [
        [],
        ["text/plain"],
        ["text/plain; application/json"],
        ["application/json, text/plain"],
        ["application/json; charset=utf-7"],
        ["application/graphql"],
        ["application/x-www-form-urlencoded"],
        ["multipart/form-data; boundary=application/json"],
        ["application/json", "text/plain"],
    ],
)
def test_what_a_browser_sends_for_any_page_is_not_taken(kinds: list[str]) -> None:
    with pytest.raises(Refusal, match="as application/json only") as refusal:
        check_content_type(kinds)
    assert refusal.value.status == 400


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'[{"query": "{version}"}]', "a list of operations"),
        (b"[]", "a list of operations"),
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'"{version}"', "no text `query`"),
        (b'{"extensions": {"persistedQuery": {"sha256Hash": "x"}}}', "no text `query`"),
        (b'{"query": ["{version}"]}', "no text `query`"),
    ],
)
def test_a_body_is_one_object_with_a_query(body: bytes, sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        check_body(body)


def test_a_mutation_comes_as_one_object() -> None:
    check_body(b'{"query": "mutation { launchRun }", "variables": {}, "operationName": null}')
