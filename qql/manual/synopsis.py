"""Grammar → synopses: the rules of `grammar/qql.lark`, as the lines that a manual shows.

Left out is what a reader does not need to know first: parameters, which may stand for any value, and the
spellings of the older dialects.
"""

from __future__ import annotations

import re

from qql import nodes
from qql.late import late_pattern
from qql.manual.grammar_rules import RulePart, aliases, alternatives, keywords, rules
from qql.records import dataclass, fields, replace

__all__ = ["placeholder", "synopsis"]

# --- what a synopsis names, and what it leaves out ----------------------------------------------------------

_OPTION_LIST = "(option = value [, …])"
_PLACEHOLDERS = {
    **dict.fromkeys(("condition", "conjunction", "negation"), "condition"),
    **dict.fromkeys(("expression", "product", "factor"), "expression"),
    **dict.fromkeys(("option_block", "options", "settings"), _OPTION_LIST),
    **dict.fromkeys(("list", "scalars"), "(value [, …])"),
    "NUMBER": "number",
    **dict.fromkeys(("object", "_row"), "{key: value, …}"),
    "vector_def": "vector",
    "target": "target",
    "input": "input",
    "example": "example",
    **dict.fromkeys(("stage", "_stage"), "stage"),
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
    "column": "name [type]",
    "joined": "column || 'text' || …",
    "mapping": "mapping",
    "block_name": "kind",
    "alteration": "change",
    "embedding": "embedding",
    "ref": "reference",
    "selection": "selection",
    "direction": "ASC | DESC",
    "shard_key": "key",
    "TRUE": "true",
    "FALSE": "false",
}
"""Rules that a synopsis names where it does not show them."""
_NAMES_BEHIND = {
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
    **dict.fromkeys(("scalar", "optional_scalar", "operand"), "value"),
    **dict.fromkeys(("string", "STRING", "words"), "'text'"),
    "number": "number",
}
_VALUES_BEHIND = {
    **dict.fromkeys(("LIMIT", "OFFSET", "SIZE", "GROUP_SIZE", "TOP", "CANDIDATES", "SHOULD", "BATCH"), "n"),
    **dict.fromkeys(("THRESHOLD", "DIVERSITY", "DEFAULT"), "number"),
    **dict.fromkeys(("SHARD", "FALLBACK"), "key"),
    **dict.fromkeys(("DUMP", "EXECUTE"), "'file'"),
    "SLICE": "total",
    "WAIT": "{true | false}",
    "MODEL": "'model'",
    "SNAPSHOT": "'name'",
    "DATETIME": "'date'",
    "DELIMITER": "'character'",
    "HEADER": "{true | false}",
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
    ("_map_source", ""): "column",
    ("vector_file", "NPY"): "'file'",
    ("delete_vector", "VECTOR"): "vector",
    ("image", "IMAGE"): "'address'",
    ("feedback_item", ","): "score",
}
"""The same where a rule means something else."""
_UNSAID = {"COLLECTION", "BULK", "IDS", "PAIRS", "FIELD", "RANDOM", ",", ";", "TEXT", "FROM", ""}
"""What may stand somewhere and change nothing."""
_LEFT_OUT = {
    *("param", "any_input", "bound_points", "bound_examples", "bound_name", "assigned", "using_parts"),
    *("using_role", "select_options", "preset", "object_options", "object_entries", "bare_pair"),
    *("bare_point", "bare_word", "listed_examples", "recommend_option", "quantize"),
    *("bound_selection", "or_default"),
}
"""Alternatives that are for parameters and for the older dialects."""
_LEFT_OUT_OF = {
    ("fusion", "STRING"),
    ("collection_part", "HNSW"),
    ("hybrid_part", "using_part"),
    ("point", "NUMBER"),
}
_FIRST_OF = {"query", "_head", "field_list", "has_vector", "rows", "facet", "text", "context_pair"}
"""Rules whose first alternative says all that is needed."""
_CALL = late_pattern(
    r"\b(NESTED|SLICE|CONDITION|MATCH|MATCH_ANY|GEO_DISTANCE|DATETIME|DATETIME_KEY|UUID|INT|NPY"
    r"|\w+_DECAY\}?) \("
)
_SHORTER = {
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

# --- statements and their clauses ---------------------------------------------------------------------------

_NODE_NAMES = {
    "stage": "Query",
    "select": "Query",
    "update": "UpdatePayload",
}
"""The nodes of statements whose rule is not called as they are."""
_READS = {"query", "stage", "count", "scroll", "facet", "matrix"}
"""Statements that need no WHERE."""
_FIELDS = {"select": ("where", "payload", "vectors", "shard")}
"""The fields that clauses fill, where the node does not say it."""
_AS_QUERY = {"search", "recommend_from"}
"""Statements that take the clauses of QUERY."""
_IN_NO_STAGE = ("source", "group", "payload", "vectors", "shard", "offset")
_CLAUSE_OF = {"formula": "boost"}
"""The clause that fills a field, where it has another name."""


def placeholder(rule: str) -> str:
    """What synopses call a rule where they name it and do not show it."""
    return _PLACEHOLDERS.get(rule, rule)


def synopsis(rule: str) -> list[str]:
    """The lines that show how a rule is written; the clauses of a statement on lines of their own.

    An alias (``arithmetic``) has the lines of all alternatives that make it. Raises `KeyError` for any
    other name.
    """
    found = rules()[rule].parts if rule in rules() else aliases()[rule]
    visible = [one for one in found if _is_visible(one, rule) or rule in aliases()]
    lines: list[str] = []
    for one in visible[:1] if rule in _FIRST_OF else visible:
        lines += _alternative_lines(one, rule)
    return list(dict.fromkeys(lines))


def _alternative_lines(row: RulePart, rule: str) -> list[str]:
    parts = list(row.parts)
    below: list[str] = []
    if parts and _is_clause_list(parts[-1]):
        parts.pop()
        below = _clause_lines(rule)
    elif len(parts) > 1 and (choices := _repeated_choices(parts[-1])):
        below = _choice_texts(parts.pop().parts[0].text, choices)
        below = [line.replace("[block]", "[block …]") for line in below]
    above = []
    if parts and _is_stage_list(parts[0]):
        above = ["[WITH name AS (stage) [, …]]"]
        parts.pop(0)
    first = _sequence_text(RulePart("sequence", parts=tuple(parts)), _Context(rule))
    if below and below[0].startswith("FROM") and not above:
        first = f"{first} {below.pop(0)}"
    return [*above, first, *(f"    {line}" for line in below)]


def _is_clause_list(part: RulePart) -> bool:
    return part.kind == "repeat" and part.parts[0].text in ("clause", "write_clause")


def _is_stage_list(part: RulePart) -> bool:
    """Whether a part is the WITH of a query, which may be left out."""
    return part.kind == "optional" and part.parts[0].parts[-1].parts[-1].text == "ctes"


def _clause_lines(rule: str) -> list[str]:
    """The clauses that fill the fields of a statement's node, in the order of the fields."""
    if rule in _AS_QUERY:
        return ["[clause of QUERY] …"]
    known = set(alternatives("clause"))
    lines = []
    for name in _clause_fields(rule):
        clause = _CLAUSE_OF.get(name, name)
        if clause not in known:
            continue
        text = _clause_text(clause)
        needed = name == "source" or (name == "where" and rule not in _READS)
        lines.append(text if needed else f"[{text}]")
    return lines


def _clause_fields(rule: str) -> tuple[str, ...]:
    """The fields of a statement's node that clauses fill: those it declares, else all of them."""
    if rule in _FIELDS:
        return _FIELDS[rule]
    node = getattr(nodes, _NODE_NAMES.get(rule) or "".join(word.title() for word in rule.split("_")))
    names = nodes.STATEMENTS[node].clauses or tuple(field.name for field in fields(node))
    return tuple(name for name in names if rule != "stage" or name not in _IN_NO_STAGE)


def _clause_text(clause: str) -> str:
    if clause == "boost":  # it is shown as the formula that it holds
        return _sequence_text(rules()["formula"].parts[0], _Context(clause))
    first = next(one for one in rules()[clause].parts if _is_visible(one, clause))
    return _sequence_text(first, _Context(clause))


def _choice_texts(rule: str, choices: list[RulePart]) -> list[str]:
    """The text of each thing that a repeated rule chooses from."""
    context = _Context(rule, "", (rule,))
    return [f"[{_without_braces(_sequence_text(one, context))}]" for one in choices]


def _repeated_choices(part: RulePart) -> list[RulePart]:
    """What a rule that may be repeated chooses from, where that is several things."""
    rule = part.parts[0].text if part.kind == "repeat" and part.text == "*" else ""
    if rule not in rules() or rule in _PLACEHOLDERS:
        return []
    found = [one for one in rules()[rule].parts if _is_visible(one, rule)]
    return found if len(found) > 1 else []


def _is_visible(part: RulePart, rule: str) -> bool:
    """Whether an alternative is for a synopsis to show."""
    if part.alias in _LEFT_OUT:
        return False
    names = [one.parts[0].text if one.kind == "repeat" else one.text for one in part.parts]
    return not any(name in _LEFT_OUT or (rule, name) in _LEFT_OUT_OF for name in names)


# --- parts as text ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Context:
    """Where a part is: in which rule, behind which word, and inside which rules."""

    rule: str
    word: str = ""
    inside: tuple[str, ...] = ()


def _sequence_text(row: RulePart, context: _Context) -> str:
    texts: list[str] = []
    word = context.word
    for at, part in enumerate(row.parts):
        before = row.parts[at - 1] if at else None
        after = row.parts[at + 1] if at + 1 < len(row.parts) else None
        if before and (separator := _repeat_separator(before, part)):
            texts.append(f"[{separator} …]")
            continue
        text = _part_text(part, replace(context, word=word))
        if part.kind == "optional":
            text = _optional_text(part, text, before, after)
        texts.append(text)
        word = _trailing_word(part) or word
    return _join_words(texts)


def _optional_text(part: RulePart, text: str, before: RulePart | None, after: RulePart | None) -> str:
    """The text of an optional part between its neighbours: without brackets where those stand around it."""
    if _is_comma(part) and after not in (None, _CLOSE):
        return ","
    if before and after and (before.text, after.text) == ("(", ")"):
        return text[1:-1]
    return text


_CLOSE = RulePart("literal", ")")


def _is_comma(optional: RulePart) -> bool:
    """Whether it is a comma that may be left out, as behind the last of several things."""
    return [one.text for row in optional.parts[0].parts for one in row.parts] == [","]


def _repeat_separator(before: RulePart, part: RulePart) -> str:
    """The sign between repetitions, where a part repeats the one before it."""
    inside = part.parts[0] if part.kind == "repeat" else None
    if inside is None or inside.kind != "choice" or len(inside.parts) != 1:
        return ""
    row = inside.parts[0].parts
    return row[0].text if len(row) == 2 and row[0].kind == "literal" and row[1] == before else ""


def _trailing_word(part: RulePart) -> str:
    """The keyword or sign that what follows stands behind."""
    if part.kind == "literal":
        return "" if part.text == "(" else part.text
    if part.kind == "symbol":
        return keywords().get(part.text, "")
    if part.kind == "choice" and part.parts and all(len(one.parts) == 1 for one in part.parts):
        return _trailing_word(part.parts[0].parts[0])
    return ""


def _part_text(part: RulePart, context: _Context) -> str:
    match part.kind:
        case "literal":
            return part.text
        case "symbol":
            return _symbol_text(part.text, context)
        case "sequence":
            return _sequence_text(part, context)
        case "choice":
            return _choice_text(part, context)
        case "optional":
            text = _without_braces(_part_text(part.parts[0], context))
            return "" if text in _UNSAID else f"[{text}]"
        case "repeat":
            return _repeat_text(part, context)


def _symbol_text(name: str, context: _Context) -> str:
    override = _OVERRIDES.get((context.rule, context.word))
    if name == "name":
        return override or _NAMES_BEHIND.get(context.word, "field")
    if name in _VALUES:
        return override or _VALUES_BEHIND.get(context.word, _VALUES[name])
    if name in _PLACEHOLDERS:
        text = _PLACEHOLDERS[name]
        return text.replace("value", "key") if context.rule == "shard" else text
    if name in keywords():
        return keywords()[name]
    if name == "COMPARISON":
        return "{!= | < | <= | > | >=}"
    if name in context.inside or name not in rules():
        return name
    word = context.word if name == "field_list" else ""
    return _choice_text(rules()[name], _Context(name, word, (*context.inside, name)))


def _choice_text(part: RulePart, context: _Context) -> str:
    """``{a | b}``, or what there is where that is one."""
    visible = [one for one in part.parts if _is_visible(one, context.rule)]
    if context.rule in _FIRST_OF and context.inside[-1:] == (context.rule,):
        visible = visible[:1]
    texts: list[str] = []
    for one in visible:
        texts += _flattened(_sequence_text(one, context))
    texts = list(dict.fromkeys(filter(None, texts)))
    joined = " | ".join(texts)
    joined = _SHORTER.get(joined, joined)
    return "{" + joined + "}" if " | " in joined and len(texts) > 1 else joined


def _flattened(text: str) -> list[str]:
    """The alternatives of ``{a | b}``, where no braces are inside it; any other text alone."""
    inside = _without_braces(text)
    return inside.split(" | ") if inside != text and "{" not in inside else [text]


def _repeat_text(part: RulePart, context: _Context) -> str:
    if choices := _repeated_choices(part):
        return " ".join(_choice_texts(part.parts[0].text, choices))
    text = _part_text(part.parts[0], context)
    return f"[{_without_braces(text)}] …" if part.text == "*" else f"{text} …"


def _without_braces(text: str) -> str:
    """Without the braces around all of it: brackets say the same."""
    return text[1:-1] if text.startswith("{") and " | " in text and _braces_enclose(text) else text


def _braces_enclose(text: str) -> bool:
    """Whether the first brace is closed by the last sign."""
    depth = 0
    for at, sign in enumerate(text):
        depth += (sign == "{") - (sign == "}")
        if depth == 0:
            return at == len(text) - 1
    return False


def _join_words(words: list[str]) -> str:
    """The words with spaces between them, but none where signs stand close."""
    text = " ".join(filter(None, words))
    text = re.sub(r"(?<=\() | (?=[),;])", "", text)
    text = re.sub(r"\[ (DEFAULT = \w+) \]", r"[\1]", text)
    return _CALL.sub(r"\1(", text).strip()
