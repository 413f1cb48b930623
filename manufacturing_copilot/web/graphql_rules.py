"""Which GraphQL requests may come in which way: what changes something only comes as one JSON object by POST.

A browser sends a GET, or a POST of plain text or a form, for any page that asks it to; a POST of JSON only for pages
of the same origin. Requests are parsed as GraphQL, since a mutation hides behind comments, fragments and names.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse

from manufacturing_copilot.web.refusal import Refusal

_TOKENS_AT_MOST = 20_000


def check_get(query_string: bytes) -> None:
    """Raise Refusal unless the query string asks for nothing, or for one operation that only reads."""
    fields = _fields(query_string)
    queries = [value for name, value in fields if name == "query"]
    if not queries:
        return
    if len(queries) > 1:
        raise Refusal(400, "the address names more than one `query`; send one")
    operations = _operations(queries[0])
    if len(operations) != 1:
        raise Refusal(400, f"a GET carries one GraphQL operation, and this one has {len(operations)}; send it by POST")
    [operation] = operations
    if operation is not OperationType.QUERY:
        raise Refusal(405, f"a {operation.value} is not taken by GET; send it by POST as application/json")


def check_content_type(values: Sequence[str]) -> None:
    """Raise Refusal unless the headers say `application/json`, and nothing else."""
    if len(values) == 1:
        kind, *parameters = (part.strip().lower() for part in values[0].split(";"))
        if kind == "application/json" and all(part in ("", "charset=utf-8") for part in parameters):
            return
    found = ", ".join(values)[:100] or "none"
    raise Refusal(400, f"GraphQL is taken by POST as application/json only; the content type was: {found}")


def check_body(body: bytes) -> None:
    """Raise Refusal unless the body is one JSON object with the text of a query."""
    try:
        request: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, "the body is not JSON; send an object with `query`") from None
    if isinstance(request, list):
        raise Refusal(400, "the body holds a list of operations; send one at a time")
    if not isinstance(request, dict) or not isinstance(request.get("query"), str):
        raise Refusal(400, "the body has no text `query`; operations by reference are not taken")


def _fields(query_string: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise Refusal(400, "the address cannot be read: its query is not text, or has more than 100 fields") from None


def _operations(text: str) -> list[OperationType]:
    try:
        document = parse(text, no_location=True, max_tokens=_TOKENS_AT_MOST)
    except GraphQLError as error:
        raise Refusal(400, f"the query is not GraphQL: {error.message[:200]}") from None
    except RecursionError:
        raise Refusal(400, "the query is nested too deeply") from None
    return [node.operation for node in document.definitions if isinstance(node, OperationDefinitionNode)]
