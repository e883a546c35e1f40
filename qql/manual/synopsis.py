"""Grammar → synopses: what stands in `grammar/qql.lark`, as the lines that a manual shows.

The grammar is read as text, so neither Lark nor its tables are needed. Left out is what a reader does not
need to know first: parameters, which may stand for any value, and the spellings of the older dialects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache

from qql import nodes
from qql.syntax.lalr import grammar_text

__all__ = ["alternatives", "rules", "synopsis"]


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a rule. ``kind`` is literal, symbol, all (in a row), any (one of), maybe, or many.

    ``text`` is a literal's text or a symbol's name; ``alias`` is what a rule's alternative makes.
    """

    kind: str
    text: str = ""
    parts: tuple[_Part, ...] = ()
    alias: str = ""


# ---------------------------------------------------------------------------------------- reading the grammar

_RULE = re.compile(r"^[?]?([a-z_]\w*):((?:.|\n[ ]+)*)", re.M)
_KEYWORD = re.compile(r'^([A-Z_]+): "([^"]+)"', re.M)
_PIECE = re.compile(r'"([^"]*)"|(->\s*\w+)|([A-Za-z_]\w*)|([()\[\]|?*+])')


@cache
def rules() -> dict[str, _Part]:
    """The rules of the grammar by name, each one ``any`` of its alternatives."""
    text = re.sub(r"(?m)\s//.*$|^//.*$", "", grammar_text())
    return {name: _read(iter(_PIECE.findall(body))) for name, body in _RULE.findall(text)}


@cache
def _made() -> dict[str, tuple[_Part, ...]]:
    """The alternatives that make something else than their rule does, by what they make."""
    found: dict[str, tuple[_Part, ...]] = {}
    for rule in rules().values():
        for one in rule.parts:
            if one.alias:
                found[one.alias] = (*found.get(one.alias, ()), one)
    return found


@cache
def _keywords() -> dict[str, str]:
    return dict(_KEYWORD.findall(grammar_text()))


def _read(pieces: Iterator[tuple[str, str, str, str]]) -> _Part:
    """The alternatives up to the bracket that closes them, or to the end."""
    found: list[_Part] = []
    row: list[_Part] = []
    alias = ""
    for literal, arrow, symbol, sign in pieces:
        if literal:
            row.append(_Part("literal", literal))
        elif arrow:
            alias = arrow.removeprefix("->").strip()
        elif symbol:
            row.append(_Part("symbol", symbol))
        elif sign in "([":
            inside = _read(pieces)
            row.append(_Part("maybe", parts=(inside,)) if sign == "[" else inside)
        elif sign in "?*+":
            row.append(_Part("maybe" if sign == "?" else "many", sign, (row.pop(),)))
        else:
            found.append(_Part("all", parts=tuple(row), alias=alias))
            row, alias = [], ""
            if sign != "|":
                return _Part("any", parts=tuple(found))
    found.append(_Part("all", parts=tuple(row), alias=alias))
    return _Part("any", parts=tuple(found))


def alternatives(rule: str) -> list[str]:
    """The rules, or the aliases, that a rule chooses from; rules with a `?` are looked through."""
    found: list[str] = []
    for one in rules()[rule].parts:
        if one.alias:
            found.append(one.alias)
        elif len(one.parts) == 1 and one.parts[0].kind == "symbol" and one.parts[0].text in rules():
            found.append(one.parts[0].text)
    return found


# ---------------------------------------------------------------------------------------------- what is shown

_OPTIONS = "(option = value [, …])"
_WORDS = {
    **dict.fromkeys(("condition", "conjunction", "negation"), "condition"),
    **dict.fromkeys(("expression", "product", "factor"), "expression"),
    **dict.fromkeys(("option_block", "options", "settings"), _OPTIONS),
    **dict.fromkeys(("list", "scalars"), "(value [, …])"),
    **dict.fromkeys(("string", "STRING"), "'text'"),
    **dict.fromkeys(("number", "NUMBER"), "number"),
    **dict.fromkeys(("object", "_row"), "{key: value, …}"),
    "vector_def": "vector",
    "target": "target",
    "input": "input",
    "example": "example",
    "stage": "stage",
    "entries": "(key = value [, …])",
    "value": "value",
    "id": "id",
    "array": "[value, …]",
    "uuid": "UUID('text')",
    "NAME": "word",
    "word": "word",
    "_statement": "statement",
    "DURATION": "30d",
    "block": "block",
    "block_name": "kind",
    "alteration": "change",
    "embedding": "embedding",
    "ref": "reference",
    "selection": "selection",
    "shard_key": "key",
    "TRUE": "true",
    "FALSE": "false",
}
"""Rules that a synopsis names where it does not show them."""
_NAMES = {
    **dict.fromkeys(("COLLECTION", "FROM", "INTO", "ON", "USE", "OPTIMIZE"), "collection"),
    **dict.fromkeys(("COPY", "DUMP", "SEARCH", "UPDATE"), "collection"),
    **dict.fromkeys(("VECTOR", "VECTORS", "USING", "SPARSE", "DENSE", "HAS_VECTOR"), "vector"),
    "ALIAS": "alias",
    "TYPE": "type",
    "KEY": "path",
    "DEFINE": "name",
    "UNDEFINE": "name",
    "NESTED": "path",
    "STRATEGY": "strategy",
    "MODE": "mode",
    "FORMAT": "format",
    "TO": "new_alias",
}
"""What a name is behind a keyword; a field elsewhere."""
_VALUES = {
    **dict.fromkeys(("LIMIT", "OFFSET", "SIZE", "GROUP_SIZE", "TOP", "CANDIDATES", "SHOULD", "BATCH"), "n"),
    **dict.fromkeys(("THRESHOLD", "DIVERSITY", "DEFAULT"), "number"),
    **dict.fromkeys(("SHARD", "FALLBACK"), "key"),
    **dict.fromkeys(("DUMP", "EXECUTE"), "'file'"),
    "SLICE": "total",
    "WAIT": "{true | false}",
    "MODEL": "'model'",
    "SNAPSHOT": "'name'",
    "DATETIME": "'date'",
}
"""What a value is behind a keyword."""
_OVERRIDES = {
    ("full_text", "ON"): "field",
    ("on_field", "ON"): "field",
    ("embedding_part", "ON"): "field",
    ("create_alias", "FOR"): "collection",
    ("copy", "FROM"): "'file'",
    ("embed", "INTO"): "vector",
    ("vector_def", ""): "name",
    ("vector_def", "VECTOR"): "name",
    ("shape", ""): "size",
    ("named_ref", ""): "name",
    ("cte", ""): "name",
    ("slice", ","): "index",
    ("group_lookup", "LOOKUP"): "collection",
    ("call", "="): "number",
    ("divide", "="): "number",
    ("relevance_feedback", ","): "score",
    ("update", "SET"): "vector",
    ("assignment", "VECTOR"): "vector",
    ("mapping", ""): "key",
    ("delete_vector", "VECTOR"): "vector",
    ("image", "IMAGE"): "'address'",
    ("feedback_item", ","): "score",
}
"""The same where a rule means something else."""
_NOISE = {"COLLECTION", "BULK", "IDS", "PAIRS", "FIELD", "RANDOM", ",", ";", "TEXT", "FROM", ""}
"""What may stand somewhere and change nothing."""
_LEFT_OUT = {
    *("param", "any_input", "bound_points", "bound_examples", "bound_name", "assigned", "using_parts"),
    *("using_role", "select_options", "preset", "object_options", "object_entries", "bare_pair"),
    *("bare_point", "bare_word", "listed_examples", "recommend_option", "quantize"),
}
"""Alternatives that are for parameters and for the older dialects."""
_LEFT_OUT_OF = {
    ("fusion", "STRING"),
    ("collection_part", "HNSW"),
    ("hybrid_part", "using_part"),
    ("point", "NUMBER"),
}
_FIRST_OF = {"_head", "field_list", "has_vector", "rows", "facet", "text", "context_pair"}
"""Rules whose first alternative says all that is needed."""
_CALLS = re.compile(
    r"\b(NESTED|SLICE|CONDITION|MATCH|MATCH_ANY|GEO_DISTANCE|DATETIME|DATETIME_KEY|UUID|\w+_DECAY\}?) \("
)
_SAME = {
    "WITH | PARAMS": "PARAMS",
    "VECTOR | VECTORS": "VECTOR",
    "VECTOR | INTO": "VECTOR",
    "ON | FROM": "ON",
    "FOR | ON": "FOR",
    "ON | FOR | FROM": "ON",
    "QUOTA | QUOTAS": "QUOTA",
    "= | :": "=",
    "DENSE | SPARSE | MULTI | MULTIVECTOR": "DENSE | SPARSE | MULTI",
    "DENSE | SPARSE | MULTI | MULTIVECTOR | IMAGE": "DENSE | SPARSE | MULTI | IMAGE",
    "{key: value, …} | ({key: value, …})": "{key: value, …}",
    "!= | < | <= | > | >= | =": "= | != | < | <= | > | >=",
}
"""Words of which one will do."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where something stands: in which rule, behind which word, and inside which rules."""

    rule: str
    word: str = ""
    inside: tuple[str, ...] = ()


def synopsis(rule: str) -> list[str]:
    """The lines that show how a rule is written; the clauses of a statement on lines of their own.

    An alias (``arithmetic``) has the lines of all alternatives that make it. Raises `KeyError` for any
    other name.
    """
    found = rules()[rule].parts if rule in rules() else _made()[rule]
    shown = [one for one in found if _shown(one, rule) or rule in _made()]
    lines: list[str] = []
    for one in shown[:1] if rule in _FIRST_OF else shown:
        lines += _lines(one, rule)
    return list(dict.fromkeys(lines))


def _lines(row: _Part, rule: str) -> list[str]:
    parts = list(row.parts)
    below: list[str] = []
    if parts and _is_clauses(parts[-1]):
        parts.pop()
        below = _clause_lines(rule)
    elif len(parts) > 1 and (choices := _choices(parts[-1])):
        rule_below = parts.pop().parts[0].text
        below = [f"[{_bare(_row(one, _Place(rule_below, '', (rule_below,))))}]" for one in choices]
        below = [line.replace("[block]", "[block …]") for line in below]
    above = []
    if parts and parts[0].kind == "maybe" and parts[0].parts[0].parts[-1].parts[-1].text == "ctes":
        above = ["[WITH name AS (stage) [, …]]"]
        parts.pop(0)
    first = _row(_Part("all", parts=tuple(parts)), _Place(rule))
    if below and below[0].startswith("FROM") and not above:
        first = f"{first} {below.pop(0)}"
    return [*above, first, *(f"    {line}" for line in below)]


def _is_clauses(part: _Part) -> bool:
    return part.kind == "many" and part.parts[0].text in ("clause", "write_clause")


def _choices(part: _Part) -> list[_Part]:
    """What a rule that may be repeated chooses from, where that is several things."""
    rule = part.parts[0].text if part.kind == "many" and part.text == "*" else ""
    if rule not in rules() or rule in _WORDS:
        return []
    found = [one for one in rules()[rule].parts if _shown(one, rule)]
    return found if len(found) > 1 else []


_NODES = {
    "stage": "Query",
    "select": "Query",
    "update": "UpdatePayload",
}
_READS = {"query", "stage", "count", "scroll", "facet"}
"""Statements that need no WHERE."""
_HAVE = {"facet": ("key",)}
"""Fields that the head of a statement fills."""
_FIELDS = {"select": ("where", "payload", "vectors", "shard")}
_AS_QUERY = {"search", "recommend_from"}
"""Statements that take the clauses of QUERY."""
_IN_NO_STAGE = ("source", "group", "payload", "vectors", "shard", "offset")
_CLAUSE_OF = {"formula": "boost"}
"""The clause that fills a field, where it has another name."""


def _clause_lines(rule: str) -> list[str]:
    """The clauses that fill the fields of a statement's node, in the order of the fields."""
    if rule in _AS_QUERY:
        return ["[clause of QUERY] …"]
    known = set(alternatives("clause"))
    node = getattr(nodes, _NODES.get(rule) or "".join(word.title() for word in rule.split("_")))
    names = _FIELDS.get(rule) or tuple(field.name for field in fields(node))
    without = (*_HAVE.get(rule, ()), *(_IN_NO_STAGE if rule == "stage" else ()))
    found = []
    for name in names:
        clause = _CLAUSE_OF.get(name, name)
        if clause in known and name not in without:
            first = next(one for one in rules()[clause].parts if _shown(one, clause))
            if clause == "boost":
                first = rules()["formula"].parts[0]
            text = _row(first, _Place(clause))
            needed = name == "source" or (name == "where" and rule not in _READS)
            found.append(text if needed else f"[{text}]")
    return found


def _shown(part: _Part, rule: str) -> bool:
    """Whether an alternative is for a synopsis to show."""
    if part.alias in _LEFT_OUT:
        return False
    names = [one.parts[0].text if one.kind == "many" else one.text for one in part.parts]
    return not any(name in _LEFT_OUT or (rule, name) in _LEFT_OUT_OF for name in names)


def _alternatives(part: _Part, place: _Place) -> str:
    """``{a | b}``, or what there is where that is one."""
    shown = [one for one in part.parts if _shown(one, place.rule)]
    if place.rule in _FIRST_OF and place.inside[-1:] == (place.rule,):
        shown = shown[:1]
    texts: list[str] = []
    for one in shown:
        text = _row(one, place)
        texts += _bare(text).split(" | ") if _bare(text) != text and "{" not in text[1:] else [text]
    texts = list(dict.fromkeys(filter(None, texts)))
    joined = " | ".join(texts)
    joined = _SAME.get(joined, joined)
    return "{" + joined + "}" if " | " in joined and len(texts) > 1 else joined


def _bare(text: str) -> str:
    """Without the braces around all of it: brackets say the same."""
    return text[1:-1] if text.startswith("{") and " | " in text and _closes(text) else text


def _closes(text: str) -> bool:
    depth = 0
    for at, sign in enumerate(text):
        depth += (sign == "{") - (sign == "}")
        if depth == 0:
            return at == len(text) - 1
    return False


def _row(row: _Part, place: _Place) -> str:
    out: list[str] = []
    word = place.word
    parts = row.parts
    for at, part in enumerate(parts):
        before = parts[at - 1] if at else None
        if before and part.kind == "many" and (sign := _repeats(before, part)):
            out.append(f"[{sign} …]")
            continue
        text = _part(part, _Place(place.rule, word, place.inside))
        if before and at + 1 < len(parts) and (before.text, parts[at + 1].text) == ("(", ")"):
            text = text[1:-1] if part.kind == "maybe" else text
        if part.kind == "maybe" and _is_comma(part) and parts[at + 1 : at + 2] not in ((), (_CLOSE,)):
            text = ","
        out.append(text)
        word = _last_word(part) or word
    return _joined(out)


_CLOSE = _Part("literal", ")")


def _is_comma(part: _Part) -> bool:
    """Whether a part is a comma that may be left out, as behind the last of several things."""
    return [one.text for row in part.parts[0].parts for one in row.parts] == [","]


def _last_word(part: _Part) -> str:
    """The keyword or sign that what follows stands behind."""
    if part.kind == "literal":
        return "" if part.text == "(" else part.text
    if part.kind == "symbol":
        return _keywords().get(part.text, "")
    if part.kind == "any" and part.parts and all(len(one.parts) == 1 for one in part.parts):
        return _last_word(part.parts[0].parts[0])
    return ""


def _repeats(before: _Part, part: _Part) -> str:
    """The sign between repetitions, where a part repeats the one before it."""
    inside = part.parts[0]
    if inside.kind != "any" or len(inside.parts) != 1:
        return ""
    row = inside.parts[0].parts
    return row[0].text if len(row) == 2 and row[0].kind == "literal" and row[1] == before else ""


def _part(part: _Part, place: _Place) -> str:
    match part.kind:
        case "literal":
            return part.text
        case "symbol":
            return _symbol(part.text, place)
        case "any":
            return _alternatives(part, place)
        case "maybe":
            text = _bare(_part(part.parts[0], place))
            return "" if text in _NOISE else f"[{text}]"
        case _:
            return _many(part, place)


def _many(part: _Part, place: _Place) -> str:
    rule = part.parts[0].text
    if choices := _choices(part):
        return " ".join(f"[{_bare(_row(one, _Place(rule, '', (rule,))))}]" for one in choices)
    text = _part(part.parts[0], place)
    return f"[{_bare(text)}] …" if part.text == "*" else f"{text} …"


def _symbol(name: str, place: _Place) -> str:
    override = _OVERRIDES.get((place.rule, place.word))
    if name == "name":
        return override or _NAMES.get(place.word, "field")
    if name in ("scalar", "words", "operand", "string", "number", "STRING"):
        return override or _VALUES.get(place.word) or _WORDS.get(name) or _VALUE_OF[name]
    if name in _WORDS:
        return _WORDS[name].replace("value", "key") if place.rule == "shard" else _WORDS[name]
    if name in _keywords():
        return _keywords()[name]
    if name == "COMPARISON":
        return "{!= | < | <= | > | >=}"
    if name in place.inside or name not in rules():
        return name
    word = place.word if name == "field_list" else ""
    return _alternatives(rules()[name], _Place(name, word, (*place.inside, name)))


_VALUE_OF = {"scalar": "value", "operand": "value", "words": "'text'"}


def _joined(words: list[str]) -> str:
    """The words with spaces between them, but none where signs stand close."""
    text = " ".join(filter(None, words))
    text = re.sub(r"(?<=\() | (?=[),;])", "", text)
    text = re.sub(r"\[ (DEFAULT = \w+) \]", r"[\1]", text)
    return _CALLS.sub(r"\1(", text).strip()
