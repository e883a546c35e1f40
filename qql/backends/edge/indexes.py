"""Payload index schemas: REST → the engine's, and back. Each type of index stands once, in `_TYPES`."""

from __future__ import annotations

from collections.abc import Callable

from qql.records import NamedTuple
from qql.rest.types import Json, JsonObject

from .engine import edge, members
from .readers import (
    Fields,
    Reader,
    boolean,
    inside,
    integer,
    mapping,
    one_of,
    read,
    refuse,
    strings,
    suggestion,
    text,
)

__all__ = ["index_info", "to_index"]


def _stopwords(value: Json, where: str) -> edge.StopwordsSet:
    language = one_of(edge.Language)
    if isinstance(value, str):
        return edge.StopwordsSet({language(value, where)}, None)
    given = read(value, where, {"languages": strings, "custom": strings})
    languages = {language(name, inside(where, "languages")) for name in given.get("languages", [])}
    return edge.StopwordsSet(languages, set(given.get("custom", [])))


def _stemmer(value: Json, where: str) -> edge.StemmingAlgorithm:
    if value in ("none", "disabled") or mapping(value, where) == {"type": "none"}:
        return edge.DisabledStemmer()
    fields: Fields = {"type": text, "language": one_of(edge.SnowballLanguage)}
    given = read(value, where, fields, ("type", "language"))
    if given["type"] != "snowball":
        raise refuse(
            "invalid-request", f"{inside(where, 'type')} does not know {given['type']!r}", "snowball or none"
        )
    return edge.SnowballParams(given["language"])


def _text_scoring(value: Json, where: str) -> bool | edge.TextScoringParams:
    if isinstance(value, bool):
        return value
    given = read(value, where, {"type": one_of(edge.TextScoringType)}, ("type",))
    return edge.TextScoringParams(given["type"])


_COMMON: dict[str, Reader[object]] = {
    "on_disk": boolean,
    "memory": one_of(edge.Memory),
    "enable_hnsw": boolean,
    "nested": text,
}
"""The options of every type of index."""


class _Type(NamedTuple):
    make: Callable[..., edge.PayloadSchemaParams]
    options: dict[str, Reader[object]]


_TYPES: dict[str, _Type] = {
    "keyword": _Type(edge.KeywordIndexParams, {"is_tenant": boolean, "prefix": boolean}),
    "integer": _Type(edge.IntegerIndexParams, {"lookup": boolean, "range": boolean, "is_principal": boolean}),
    "float": _Type(edge.FloatIndexParams, {"is_principal": boolean}),
    "geo": _Type(edge.GeoIndexParams, {}),
    "text": _Type(
        edge.TextIndexParams,
        {
            "tokenizer": one_of(edge.TokenizerType),
            "min_token_len": integer(),
            "max_token_len": integer(),
            "lowercase": boolean,
            "ascii_folding": boolean,
            "phrase_matching": boolean,
            "stopwords": _stopwords,
            "stemmer": _stemmer,
            "scoring": _text_scoring,
        },
    ),
    "bool": _Type(edge.BoolIndexParams, {}),
    "datetime": _Type(edge.DatetimeIndexParams, {"is_principal": boolean}),
    "uuid": _Type(edge.UuidIndexParams, {"is_tenant": boolean}),
}


def to_index(schema: Json, field: str) -> edge.PayloadSchemaType | edge.PayloadSchemaParams:
    """``"keyword"`` or ``{"type": "keyword", …}`` as what the engine takes."""
    where = f"the index on `{field}`"
    if schema is None:
        raise refuse("index-type-required", f"{where} requires a type", f"one of {', '.join(_TYPES)}")
    given = {"type": schema} if isinstance(schema, str) else mapping(schema, where)
    name = given.get("type")
    if not isinstance(name, str) or name not in _TYPES:
        raise refuse("unknown-index-type", f"{where} has no type {name!r}", suggestion(name, _TYPES))
    make, options = _TYPES[name]
    chosen = {key: value for key, value in given.items() if key != "type"}
    if not chosen:
        return members(edge.PayloadSchemaType)[name]
    return make(**read(chosen, where, options | _COMMON))


def index_info(info: edge.PayloadIndexInfo) -> JsonObject:
    """``{"data_type", "params", "points"}`` of an index, as GET /collections/{name} shows it."""
    name = _rest_word(info.data_type)
    out: JsonObject = {"data_type": name, "points": info.points}
    if info.params is not None:
        found = {key: getattr(info.params, key, None) for key in (_TYPES[name].options | _COMMON)}
        shown = {key: _rest_value(value) for key, value in found.items() if value is not None}
        out["params"] = {"type": name} | shown
    return out


def _rest_value(value: object) -> Json:
    match value:
        case edge.StopwordsSet():
            languages = sorted(_rest_word(language) for language in value.languages or ())
            return {"languages": languages, "custom": sorted(value.custom or ())}
        case edge.SnowballParams():
            return {"type": "snowball", "language": _rest_word(value.language)}
        case edge.DisabledStemmer():
            return {"type": "none"}
        case edge.TextScoringParams():
            return {"type": _rest_word(value.type)}
        case bool() | int() | str():
            return value
        case _:
            return _rest_word(value)


def _rest_word(value: object) -> str:
    """The REST spelling of a member of one of the engine's enums whose name is one word."""
    return str(value).rpartition(".")[2].lower()
