"""Keywords that may come next: those that the tables take, less those that the statement would refuse.

The grammar has one list of clauses for all statements, in any order and number. Which of them a statement
takes, and that each stands once, its node says.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from qql import nodes
from qql.cli.prompt.completion.legal import PARTS, Frame, first_words, take
from qql.cli.prompt.completion.options import block_kinds, option_name, takes_value
from qql.cli.prompt.completion.places import in_stage, rules_taking
from qql.cli.prompt.completion.wrapped import may_stand
from qql.compiler.stage_checks import NOT_IN_STAGES
from qql.nodes import Node
from qql.syntax.clauses import CLAUSE_WORDS
from qql.syntax.driver import plain_tables

__all__ = ["clause_order", "legal_keywords", "starting_keywords"]

_HEADS: dict[str, type[Node]] = {
    **dict.fromkeys(("_head", "QUERY", "SELECT", "SEARCH", "RECOMMEND"), nodes.Query),
    "COUNT": nodes.Count,
    "SCROLL": nodes.Scroll,
    "MATRIX": nodes.Matrix,
    "FACET": nodes.Facet,
    "ANALYZE": nodes.AnalyzeText,
    "DELETE": nodes.Delete,
    "CLEAR": nodes.ClearPayload,
}
_FIELDS = {"boost": "formula", "exact": "params", "with_model_clause": "model", "cross_rerank": "rerank"}
"""The field that a clause fills, where it is not called like the clause."""
_APART = {
    "group_lookup": ("group", ""),
    "group_size": ("group", ""),
    "defaults": ("formula", "FORMULA"),
    "strategy": ("", "RECOMMEND RELEVANCE"),
    "with_model_clause": ("", "TEXT IMAGE OBJECT HYBRID"),
}
"""Clauses that go into another clause, or into a target with one of these words."""
_VALUES = frozenset({"TRUE", "FALSE", "NULL", "UUID"})
_COMPARING = frozenset({"EQUAL", "COMPARISON"})
_BOOLEAN = frozenset({"WAIT", "HEADER"})
_SINGLE = frozenset({"AFTER", "IS", "POINT", "NOT", "WHY"})
_AGAIN = frozenset({"UPDATE"})
"""First words of clauses that differ in their second word."""


@cache
def _clauses() -> frozenset[str]:
    """The rules below `clause`."""
    tables = plain_tables()
    state = tables.state(tables.start("start").symbols["_head"])
    known = {"source", "using", "where", "prefetch", "fusion", "boost", "defaults", "rerank", "strategy"}
    known |= {"threshold", "params", "exact", "group", "group_size", "group_lookup", "with_model_clause"}
    known |= {"payload", "vectors", "provenance", "lookup", "shard", "limit", "offset", "after", "order_by"}
    return frozenset(known | {"overwrite", "key", "wait"}) & state.symbols.keys()


@cache
def _only_word(state: int) -> str | None:
    """The keyword that has to follow in a state; None where there is a choice."""
    tables = plain_tables()
    terminals = [symbol for symbol in tables.state(state).symbols if symbol in tables.labels]
    return terminals[0] if len(terminals) == 1 and terminals[0] in tables.keywords else None


def starting_keywords(text: str, at: int) -> Iterator[str]:
    """The words that begin a statement."""
    tables = plain_tables()
    top = Frame(tables.start("start"), "", at, at, (), None)
    yield from (_phrase(top, word, text, at) for word in tables.keywords & top.state.symbols.keys())


def legal_keywords(way: Frame, text: str, at: int) -> Iterator[str]:
    """The keywords that may stand at a place, each with those that have to follow it."""
    tables = plain_tables()
    for word in tables.keywords & way.state.symbols.keys():
        after = take(way, word, text, at, at)
        if after is not None and after.below is not None and _fits(word, after, after.below, text):
            yield _phrase(way, word, text, at)


def _phrase(way: Frame, word: str, text: str, at: int) -> str:
    """A keyword with those that have to follow it: GROUP BY, SCORE THRESHOLD."""
    words = [word]
    after = take(way, word, text, at, at)
    while after is not None and (following := _only_word(after.state.number)) is not None:
        words.append(following)
        after = take(after, following, text, at, at)
    return " ".join(words)


def _fits(word: str, after: Frame, below: Frame, text: str) -> bool:
    """Whether a keyword that the grammar takes is one that the statement takes."""
    if not may_stand(word, below):
        return False
    if word == "WHERE" and below.symbol == "EQUAL":  # idf = WHERE condition
        return option_name(below, text) == "idf"
    if word in _VALUES and not _value_fits(word, below, text):
        return False
    if below.symbol == "WITH" and not _behind_with(word, after, below, text):
        return False
    if word == "HYBRID" and below.symbol == "USING":
        return _searches_text(below, text)
    known = below.state.symbols.keys()
    clauses = {rule for rule in _clauses() & known if word in first_words(rule)}
    if clauses and not known.isdisjoint(("clause", "_opening")):
        return any(_takes_clause(rule, below, text) for rule in clauses)
    return not _is_given(word, below)


# ------------------------------------------------------------------------------------ clauses


def _behind_with(word: str, after: Frame, below: Frame, text: str) -> bool:
    """What stands behind WITH: a clause of the statement, or a block of the collection."""
    under = below.below
    if under is None:
        return True
    if "params" in under.state.symbols:
        rules = rules_taking(after.state.number) & _clauses()
        return not rules or any(_takes_clause(rule, under, text) for rule in rules)
    kinds = block_kinds(under, text)
    return kinds is None or word in kinds


def _takes_clause(rule: str, below: Frame, text: str) -> bool:
    """Whether the statement on top of the stack takes a clause, and does not have it yet."""
    given: set[str] = set()
    for frame in below.down():
        given |= {_FIELDS.get(one, one) for one in frame.given}
        node = _node_of(frame, text)
        if node is not None:
            return _node_takes(rule, node, frame, given, text)
    return True


def _node_of(frame: Frame, text: str) -> type[Node] | None:
    if frame.symbol in ("assignment", "assigned"):
        words = text[frame.start : frame.end].split(None, 2)
        if words[:1] and words[0].upper() == "PAYLOAD":
            return nodes.UpdatePayload
        return nodes.UpdateVector
    if frame.symbol == "RECOMMEND" and frame.below is not None and frame.below.symbol == "QUERY":
        return None
    return _HEADS.get(frame.symbol)


def _node_takes(rule: str, node: type[Node], head: Frame, given: set[str], text: str) -> bool:
    field = _FIELDS.get(rule, rule)
    if head.symbol in ("SELECT", "SEARCH", "RECOMMEND"):
        given.add("source")
    if rule in _APART and node is nodes.Query:
        needed, words = _APART[rule]
        return rule not in given and (needed in given or _begins_with(head, words, text))
    if rule in ("payload", "vectors") and ("group_lookup" in given or {"group", "lookup"} <= given):
        return True  # one of them is that of the lookup
    if field not in node.__match_args__ or (field in given and field != "params"):
        return False
    return not (node is nodes.Query and field in NOT_IN_STAGES and in_stage(head))


def _begins_with(head: Frame, words: str, text: str) -> bool:
    """Whether the target of a query begins with one of some words; a text may stand without its word."""
    if head.symbol == "RECOMMEND":
        return "RECOMMEND" in words
    target = text[head.start : head.end].split(None, 2)[1:2]
    if not target:
        return False
    return target[0].upper() in words.split() or ("TEXT" in words and target[0][0] in "'\"")


def _searches_text(below: Frame, text: str) -> bool:
    """Whether the query searches for a text, as USING HYBRID does; True for what is no query."""
    head = next((frame for frame in below.down() if frame.symbol in ("_head", "LPAR", "QUERY")), None)
    if head is None or head.symbol != "_head":
        return True
    return _begins_with(head, "TEXT", text) and "OPTIONS" not in text[head.start : head.end].upper().split()


def _is_given(word: str, below: Frame) -> bool:
    """Whether a part that begins with a word stands there already, and may stand once only."""
    parts = {rule for rule in PARTS & below.state.symbols.keys() if word in first_words(rule)}
    if not parts or word in _AGAIN:
        return False
    for frame in below.down():
        if not (frame.symbol.startswith("__") or frame.symbol in PARTS):
            return False  # in front of the first part
        if any(word == one or (one.islower() and word in first_words(one)) for one in frame.given):
            return True
    return False


# ------------------------------------------------------------------------------------ values


def _value_fits(word: str, below: Frame, text: str) -> bool:
    """Whether TRUE, FALSE, NULL or UUID (…) makes sense behind what stands there."""
    symbol = below.symbol
    if symbol in _COMPARING and below.below is not None and below.below.symbol == "option_name":
        return takes_value(below, text, {"TRUE": True, "FALSE": False, "NULL": None}.get(word, word))
    if symbol in _COMPARING:
        return word != "NULL"
    if symbol in _BOOLEAN or symbol in ("PAYLOAD", "VECTOR", "VECTORS", "EXACT"):
        return word in ("TRUE", "FALSE")
    if symbol in ("COLON", "LSQB", "LPAR", "COMMA", "IN", "items"):
        return True
    if symbol == "NOT" and below.below is not None and below.below.symbol == "IS":
        return word == "NULL"
    return word == ("NULL" if symbol in ("AFTER", "IS") else "UUID") and symbol in _SINGLE


_ORDER = {word: index for index, word in enumerate(("QUERY", "FROM", *CLAUSE_WORDS.values()))}
_LAST = {"IDENTIFIER": len(_ORDER) + 1}


def clause_order(phrase: str) -> tuple[int, str]:
    """Where keywords come in a list: clauses in their canonical order, then all others by the alphabet."""
    return _ORDER.get(phrase, _LAST.get(phrase, len(_ORDER))), phrase
