"""Whatever qdrant-client's models have, QQL has a word for: raising the lock shows what is new.

Bodies are made of the models themselves: each field of each model, each model of each union and each word of
each enumeration stands in one of them at least. What QQL cannot say stands in `UNSAID` with the reason.
"""

from __future__ import annotations

import datetime
import enum
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel
from qdrant_client import models

import qql
from qql.rest.request import BODY_MODELS

_PINNED = "PayloadStorageParams.memory = pinned"
UNSAID = {
    ("PUT", "", _PINNED): "Qdrant's documents: payloads cannot be pinned",
    ("PATCH", "", _PINNED): "Qdrant's documents: payloads cannot be pinned",
    ("PUT", "", "VectorParams.memory = pinned"): "servers refuse it (measured on 1.19.0)",
    ("PATCH", "", "VectorParamsDiff.memory = pinned"): "servers refuse it (measured on 1.19.0)",
    ("PUT", "points/payload", "SetPayload.key"): "OVERWRITE replaces a payload as a whole",
}

POINT, VECTOR, ALL = [1], [0.5, 0.5], {"must": [{"has_id": [1]}]}
NEEDED: dict[type[BaseModel], dict[str, Any]] = {
    models.Prefetch: {"query": VECTOR, "using": "a", "prefetch": [{"query": VECTOR}]},
    models.QueryRequest: {"query": VECTOR},
    models.QueryGroupsRequest: {"query": VECTOR},
    models.Filter: ALL,
    models.FieldCondition: {"key": "a"},
    models.MinShould: {"conditions": [{"has_id": [1]}], "min_count": 1},
    models.Range: {"lte": 1},
    models.DatetimeRange: {"lte": "2024-01-01"},
    models.ValuesCount: {"lte": 1},
    models.IsEmptyCondition: {"is_empty": {"key": "a"}},
    models.SetPayload: {"points": POINT},
    models.DeletePayload: {"points": POINT},
    models.DeleteVectors: {"points": POINT},
    models.CreateFieldIndex: {"field_schema": "keyword"},
    models.RenameAlias: {"old_alias_name": "a", "new_alias_name": "b"},
    models.CreateAlias: {"collection_name": "c", "alias_name": "a"},
    models.RecommendInput: {"positive": POINT},
    models.Slice: {"total": 2, "index": 0},
    models.UpdateCollection: {"metadata": {"a": 1}},
}
"""What a model needs beside the fields that it requires, for a body that means something."""
VALUES: dict[str, list[Any]] = {
    "FieldCondition.key": [],  # alone it is no condition
    "QuantizationSearchParams.oversampling": [1.5],
    "Image.image": ["https://example.org/a.png"],
    "GeoLineString.points": [[{"lat": at % 3, "lon": at % 2} for at in (0, 1, 2, 0)]],
    "HnswConfigDiff.m": [16],
    "HnswConfigDiff.ef_construct": [100],
    "OptimizersConfigDiff.vacuum_min_vector_number": [100],
    "SearchMatrixRequest.sample": [2],
    "StrictModeConfig.max_resident_memory_percent": [50],
}
"""Values of fields for which any one of their type will not do."""
_LEAVES: dict[Any, Any] = {str: "2024-01-01", int: 1, float: 0.5, bool: True, datetime.datetime: "2024-01-01"}


class Examples:
    """Values of types, each with what it is an example of: ``Model.field`` or ``Model.field = word``.

    Models are gone through once; where they stand again, one value does.
    """

    def __init__(self) -> None:
        self.known: set[Any] = set()

    def first(self, kind: Any) -> Any:
        return next(self.of(kind, "", all_of_it=False))[0]

    def base(self, kind: type[BaseModel]) -> dict[str, Any]:
        needed = NEEDED.get(kind, {})
        return needed | {
            field.alias or name: self.field_values(kind, name)[0]
            for name, field in kind.model_fields.items()
            if field.is_required() and name not in needed
        }

    def field_values(self, kind: type[BaseModel], name: str) -> list[Any]:
        found = VALUES.get(f"{kind.__name__}.{name}")
        return [self.first(kind.model_fields[name].annotation)] if found is None else found

    def of(self, kind: Any, what: str, *, all_of_it: bool = True) -> Iterator[tuple[Any, str]]:
        origin, inside = typing.get_origin(kind), typing.get_args(kind)
        if origin is typing.Annotated:
            yield from self.of(inside[0], what, all_of_it=all_of_it)
        elif origin in (typing.Union, types.UnionType):
            several = [one for one in inside if one is not types.NoneType]
            for one in several if all_of_it else several[:1]:
                yield from self.of(one, what, all_of_it=all_of_it)
        elif origin is list:
            yield from (([one], name) for one, name in self.of(inside[0], what, all_of_it=all_of_it))
        elif origin is dict:
            yield from (({"a": one}, name) for one, name in self.of(inside[1], what, all_of_it=all_of_it))
        elif origin is typing.Literal:
            yield from ((one, what) for one in inside)
        elif isinstance(kind, type) and issubclass(kind, enum.Enum):
            words = [(one.value, f"{what} = {one.value}") for one in kind]
            yield from words if all_of_it else words[:1]
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from self.of_model(kind, what, all_of_it=all_of_it)
        else:
            yield _LEAVES.get(kind, {"a": 1}), what

    def of_model(self, kind: type[BaseModel], what: str, *, all_of_it: bool) -> Iterator[tuple[Any, str]]:
        base = self.base(kind)
        yield base, what
        if not all_of_it or kind in self.known:
            return
        self.known.add(kind)
        for name, field in kind.model_fields.items():
            own, key = f"{kind.__name__}.{name}", field.alias or name
            rest = {key: value for key, value in base.items() if (name, key) != ("filter", "points")}
            if own in VALUES:
                yield from (({**rest, key: value}, own) for value in VALUES[own])
            else:
                yield from (({**rest, key: value}, which) for value, which in self.of(field.annotation, own))


def bodies(route: tuple[str, str]) -> Iterator[tuple[Any, str]]:
    """The bodies of a route, and what each is an example of."""
    examples = Examples()
    for name in BODY_MODELS[route]:
        yield from examples.of(getattr(models, name), name)


def converted(route: tuple[str, str], body: Any) -> str | None:
    """None where QQL says a body, else why it does not."""
    method, rest = route
    path = rest if rest.startswith("/") else f"/collections/docs/{rest.replace('*', 'name')}".rstrip("/")
    waits = "wait" if rest.startswith(("points", "index", "vectors")) else ""
    query = {"wait": "true"} if waits and method == "PUT" else {}
    try:
        qql.from_request({"method": method, "path": path, "query": query, "body": body})
    except qql.QQLCompileError as exc:
        return exc.message
    return None


@pytest.mark.parametrize("route", BODY_MODELS, ids=" ".join)
def test_qql_has_a_word_for_all_that_the_models_of_qdrant_client_have(route: tuple[str, str]) -> None:
    said: set[str] = set()
    refused: dict[str, str] = {}
    for body, what in bodies(route):
        if what not in said:
            why = converted(route, body)
            if why is None:
                said.add(what)
            else:
                refused.setdefault(what, why)
    unsaid = {what for *where, what in UNSAID if (*where,) == route}
    assert refused.keys() - said == unsaid, refused  # which says too what can be said by now
    assert said


def test_every_part_of_the_models_is_tried() -> None:
    tried = {what for route in BODY_MODELS for _, what in bodies(route)}
    assert len(tried) > 700
    assert tried >= {"Bm25Params.k", "TextIndexParams.scoring", "IdTrackerParams.memory = cold"}
    assert tried >= {"VectorParams.datatype = turbo16", "TurboQuantQuantizationConfig.bits = bits1_5"}


def test_a_word_that_is_new_would_be_missed() -> None:
    """A field, a word and a query that no version has are refused, so that the test above finds such."""
    for route, body in (
        (("POST", "points/query"), {"query": VECTOR, "brightness": 1}),
        (("POST", "points/query"), {"query": {"brightest": VECTOR}}),
        (("POST", "points/scroll"), {"filter": {"must": [{"bright": {"key": "a"}}]}}),
        (("PUT", ""), {"vectors": {"size": 2, "distance": "Bright"}}),
        (("PUT", "index"), {"field_name": "a", "field_schema": {"type": "text", "bright": True}}),
        (("POST", "points/batch"), {"operations": [{"brighten": {"points": [1]}}]}),
    ):
        assert converted(route, body), body
