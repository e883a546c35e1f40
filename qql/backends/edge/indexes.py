"""Payload index schemas: REST → the engine's, and back."""

from __future__ import annotations

from typing import Any

from qql.errors import did_you_mean

from .checks import Reader, boolean, integer, mapping, one_of, read, refuse, strings, text
from .engine import edge, members

__all__ = ["shown_index", "to_index"]

_COMMON: dict[str, Reader] = {
    "on_disk": boolean,
    "memory": one_of("Memory"),
    "enable_hnsw": boolean,
    "nested": text,
}


def _stopwords(value: Any, where: str) -> Any:
    if isinstance(value, str):
        return edge.StopwordsSet({one_of("Language")(value, where)}, None)
    given = read(value, where, {"languages": strings, "custom": strings})
    languages = {one_of("Language")(name, f"{where}.languages") for name in given.get("languages", [])}
    return edge.StopwordsSet(languages, set(given.get("custom", [])))


def _stemmer(value: Any, where: str) -> Any:
    if value in ("none", "disabled") or mapping(value, where) == {"type": "none"}:
        return edge.DisabledStemmer()
    given = read(value, where, {"type": text, "language": one_of("SnowballLanguage")}, ("type", "language"))
    if given["type"] != "snowball":
        raise refuse("invalid-request", f"{where}.type does not know {given['type']!r}", "snowball or none")
    return edge.SnowballParams(given["language"])


def _scoring(value: Any, where: str) -> Any:
    if isinstance(value, bool):
        return value
    given = read(value, where, {"type": one_of("TextScoringType")}, ("type",))
    return edge.TextScoringParams(given["type"])


_TEXT: dict[str, Reader] = {
    "tokenizer": one_of("TokenizerType"),
    "min_token_len": integer(),
    "max_token_len": integer(),
    "lowercase": boolean,
    "ascii_folding": boolean,
    "phrase_matching": boolean,
    "stopwords": _stopwords,
    "stemmer": _stemmer,
    "scoring": _scoring,
}

_TYPES: dict[str, tuple[str, dict[str, Reader]]] = {
    "keyword": ("KeywordIndexParams", {"is_tenant": boolean, "prefix": boolean}),
    "integer": ("IntegerIndexParams", {"lookup": boolean, "range": boolean, "is_principal": boolean}),
    "float": ("FloatIndexParams", {"is_principal": boolean}),
    "geo": ("GeoIndexParams", {}),
    "text": ("TextIndexParams", _TEXT),
    "bool": ("BoolIndexParams", {}),
    "datetime": ("DatetimeIndexParams", {"is_principal": boolean}),
    "uuid": ("UuidIndexParams", {"is_tenant": boolean}),
}


def to_index(schema: Any, field: str) -> Any:
    """``"keyword"`` or ``{"type": "keyword", …}`` as what the engine takes."""
    where = f"the index on `{field}`"
    if schema is None:
        raise refuse("index-type-required", f"{where} requires a type", f"one of {', '.join(_TYPES)}")
    given = {"type": schema} if isinstance(schema, str) else mapping(schema, where)
    kind = given.get("type")
    if kind not in _TYPES:
        hint = did_you_mean(str(kind), _TYPES) or f"one of {', '.join(_TYPES)}"
        raise refuse("unknown-index-type", f"{where} has no type {kind!r}", hint)
    made, table = _TYPES[kind]
    options = {key: value for key, value in given.items() if key != "type"}
    if not options:
        return members(edge.PayloadSchemaType)[kind]
    return getattr(edge, made)(**read(options, where, table | _COMMON))


def shown_index(info: Any) -> dict[str, Any]:
    """``{"data_type", "params", "points"}`` of an index, as GET /collections/{name} shows it."""
    kind = _word(info.data_type)
    out: dict[str, Any] = {"data_type": kind, "points": info.points}
    if info.params is not None:
        out["params"] = {"type": kind} | _shown_params(kind, info.params)
    return out


def _shown_params(kind: str, params: Any) -> dict[str, Any]:
    found = {key: getattr(params, key, None) for key in (_TYPES[kind][1] | _COMMON)}
    return {key: _shown(value) for key, value in found.items() if value is not None}


def _shown(value: Any) -> Any:
    name = type(value).__name__
    if name == "StopwordsSet":
        languages = sorted(_word(language) for language in value.languages or ())
        return {"languages": languages, "custom": sorted(value.custom or ())}
    if name == "SnowballParams":
        return {"type": "snowball", "language": _word(value.language)}
    if name == "DisabledStemmer":
        return {"type": "none"}
    if name == "TextScoringParams":
        return {"type": _word(value.type)}
    return value if isinstance(value, bool | int | str) else _word(value)


def _word(value: Any) -> str:
    """The REST spelling of a member of one of the engine's enums whose name is one word."""
    return str(value).rpartition(".")[2].lower()
