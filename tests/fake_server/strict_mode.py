"""Strict mode: what a collection's own limits refuse, in the words of a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qql.rest.request import Request

from .refusals import bad_request

__all__ = ["check_limits"]

_LIMIT = 10
_GROUP_SIZE = 3


def check_limits(request: Request, config: Mapping[str, Any], indexed: set[str]) -> None:
    """Raise the refusal of what ``config`` (``strict_mode_config``) does not allow.

    ``indexed`` are the fields with an index.
    """
    if not config.get("enabled"):
        return
    body = request.body or {}
    for effective in _limits(request.route[1], body):
        _check_most("limit", effective, config.get("max_query_limit"))
    _check_most("timeout", request.query.get("timeout"), config.get("max_timeout"))
    for one in _searches(body):
        _check_search(one, config)
    _check_batch(request, body, config)
    if config.get("unindexed_filtering_retrieve") is False and not _writes(request):
        _check_indexed(body, indexed)
    if config.get("unindexed_filtering_update") is False and _writes(request):
        _check_indexed(body, indexed)


def _writes(request: Request) -> bool:
    method, path = request.route
    return method == "PUT" or path.startswith(
        ("points/delete", "points/payload", "points/vectors", "points/batch")
    )


def _limits(path: str, body: Mapping[str, Any]) -> Iterator[int]:
    """The effective limits of a request, as far as REST's verification looks at them."""
    match path:
        case "points/query" | "points/scroll":
            yield body.get("limit") or _LIMIT
        case "points/query/groups":
            yield (body.get("limit") or _LIMIT) * (body.get("group_size") or _GROUP_SIZE)
        case "points/query/batch":
            for one in body["searches"]:
                yield from _limits("points/query", one)
        case "facet" if body.get("limit"):  # left out, it is not looked at
            yield body["limit"]
        case "points/search/matrix/pairs" | "points/search/matrix/offsets" if body.get("sample") or body.get(
            "limit"
        ):
            yield (body.get("sample") or 1) * (body.get("limit") or 1)
    for one in _prefetches(body):
        yield one.get("limit") or _LIMIT


def _prefetches(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    given = body.get("prefetch") or []
    for one in given if isinstance(given, list) else [given]:
        yield one
        yield from _prefetches(one)


def _searches(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for one in body.get("searches") or [body]:
        yield one
        yield from _prefetches(one)


def _check_most(name: str, value: Any, most: int | None) -> None:
    if most is not None and isinstance(value, int) and value > most:
        raise bad_request(
            f'Limit exceeded {value} > {most} for "{name}". '
            f'Help: Reduce the "{name}" parameter to or below {most}.'
        )


def _check_search(body: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    params = body.get("params") or {}
    _check_most("hnsw_ef", params.get("hnsw_ef"), config.get("search_max_hnsw_ef"))
    if params.get("exact") and config.get("search_allow_exact") is False:
        raise bad_request('Exact search disabled!. Help: Set "exact" to false.')


def _check_batch(request: Request, body: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    if request.route == ("PUT", "points"):
        _check_most("upsert limit", len(body.get("points") or ()), config.get("upsert_max_batchsize"))
    if request.route == ("POST", "points/query/batch"):
        _check_most("batch size", len(body["searches"]), config.get("search_max_batchsize"))


def _check_indexed(body: Mapping[str, Any], indexed: set[str]) -> None:
    for one in _searches(body):
        for field in _fields(one.get("filter")):
            if field not in indexed:
                raise bad_request(
                    f'Index required but not found for "{field}" of one of the following types: [keyword]. '
                    "Help: Create an index for this key or use a different filter."
                )


def _fields(condition: Any) -> Iterator[str]:
    if isinstance(condition, list):
        for one in condition:
            yield from _fields(one)
    elif isinstance(condition, dict):
        if isinstance(condition.get("key"), str):
            yield condition["key"]
        for key in ("must", "should", "must_not", "min_should", "conditions"):
            yield from _fields(condition.get(key))
