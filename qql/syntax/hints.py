"""What might have been meant: the message for a terminal that cannot stand where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from qql.errors import Diagnostic, QQLSyntaxError, Span, did_you_mean
from qql.records import dataclass
from qql.syntax.lexer import SIGNS, STARTERS, Token

__all__ = ["PHRASES", "Place", "either", "unexpected"]

_END = "the end of the statement"
_MOST_LABELS = 8
PHRASES = {
    "_statement": "a statement",
    "clause": "a clause",
    "_opening": "a clause",
    "else_branch": "a clause",
    "ref": "a stage",
    "condition": "a condition",
    "negation": "a condition",
    "target": "something to search for",
    "value": "a value",
    "operand": "a value",
    "expression": "an expression",
    "scalar": "a value",
    "id": "the id of a point",
    "name": "a name",
    "option": "an option",
    "block": "WITH",
}
"""Rules whose many beginnings would drown what is meant, as messages name them; the outermost first."""
_WANTED = {
    **dict.fromkeys(("LIMIT", "OFFSET", "THRESHOLD", "BATCH"), "a number"),
    "WAIT": "TRUE or FALSE",
}
"""What a value is behind some keywords."""
_TEXTUAL = {"a value", "a string", "something to search for"}


@dataclass(frozen=True, slots=True)
class _Slip:
    """A mistake that is known by what was found, what stands before it and what was expected there."""

    hint: str
    found: frozenset[str]
    last: frozenset[str] = frozenset()
    expected: str = ""

    def fits(self, last: Token, token: Token, expected: dict[str, list[str]]) -> bool:
        return (
            not self.found.isdisjoint(token.kinds())
            and (not self.last or not self.last.isdisjoint(last.kinds()))
            and (not self.expected or self.expected in expected)
        )


def _slip(found: str, last: str, hint: str, expected: str = "") -> _Slip:
    return _Slip(hint, frozenset(found.split()), frozenset(last.split()), expected)


def _hint(slips: Iterable[_Slip], last: Token, token: Token, expected: dict[str, list[str]]) -> str | None:
    for slip in slips:
        if slip.fits(last, token, expected):
            return slip.hint.format(found=token.text, last=last.text)
    return None


_SLIPS = (
    _slip("EQUAL", "EQUAL", "equality is written `=`"),
    _slip("NAME", "SET", "fields are set together: UPDATE docs SET PAYLOAD = {{{found}: 1}} WHERE id = 1"),
    _slip(
        "NAME STRING",
        "SELECT",
        "SELECT * FROM docs WHERE id = 1 fetches a point; QUERY searches, SCROLL walks through a collection",
    ),
    _slip("NAME STRING", "SIMILAR", "write SIMILAR TO 'text'"),
    _slip("CONTEXT", "DISCOVER", "the target stands first: DISCOVER TARGET POINT 3 CONTEXT (…)"),
    _slip("RPAR", "", "a pair is written POSITIVE … NEGATIVE …", "NEGATIVE"),
    _slip("FROM", "STRING PARAM", "write MATCH {last} ON field", "ON"),
    _slip(
        "LPAR",
        "GEO_BBOX GEO_RADIUS GEO_POLYGON",
        "the shape is an object: GEO_RADIUS {{center: {{lat: 52.5, lon: 13.4}}, radius: 1000}}",
    ),
    _slip("NUMBER TRUE FALSE", "MATCH", "MATCH searches words; values are compared by ="),
    _slip("NUMBER STRING NAME", "OPTIONS", "options are an object: OPTIONS {{key: 'value'}}"),
    _slip("STRING NUMBER NAME PARAM", "IN", "the values of IN stand in parentheses: IN ('a', 'b')"),
    _slip("NULL EMPTY", "NOT", "write IS NOT {found}"),
    _slip("NULL EMPTY", "NAME", "write IS {found}"),
    _slip("COMMA", "", "conditions are joined by AND or OR", "OR"),
    _slip("COMMA TO", "", "write BETWEEN low AND high", "AND"),
    _slip("AND OR RPAR $END", "NAME STRING", "a field alone is no condition: write {last} = true", "BETWEEN"),
    _slip("NUMBER", "", "the field stands first: price > 5", "a condition"),
    _slip("NAME STRING", "PREFETCH", "the stages stand in parentheses: PREFETCH (dense, sparse)"),
    _slip(
        "PREFETCH WHERE LIMIT OFFSET USING FROM GROUP PARAMS SCORE ORDER",
        "",
        "{found} is a clause, and clauses follow a statement's first word: QUERY … {found} …",
        "a statement",
    ),
    _slip("COLON EQUAL", "NAME", "the options of a decay are X, TARGET, SCALE and MIDPOINT", "`*`"),
    _slip("COMPARISON", "", "what compares is a condition: CASE WHEN a > 1 THEN 2 ELSE 3 END", "`*`"),
    _slip("NAME", "RECOMMEND", "write RECOMMEND POSITIVE (1, 2) NEGATIVE (3)", "POSITIVE"),
    _slip("LPAR NUMBER", "RECOMMEND", "write RECOMMEND POSITIVE (1, 2)", "POSITIVE"),
    _slip("NUMBER STRING", "POSITIVE NEGATIVE", "the examples stand in parentheses: {last} ({found})"),
    _slip("NUMBER STRING", "POINTS", "the ids stand in parentheses: POINTS ({found})"),
    _slip("STRING NAME", "ORDER", "write ORDER BY {found}"),
    _slip("STRING NAME", "GROUP", "write GROUP BY {found}"),
    _slip("END", "", "a WHEN goes with a THEN: CASE WHEN a = 1 THEN 2 ELSE 3 END", "THEN"),
    _slip("NUMBER", "NESTED SLICE", "write {last} ({found}, …)"),
    _slip("LPAR", "SHOULD", "MIN SHOULD takes a number first: MIN SHOULD 2 (a = 1, b = 2, c = 3)"),
    _slip("QUERY", "AS", "the stage stands in parentheses: AS (QUERY …)"),
    _slip("NAME LBRACE", "WITH", "options stand in parentheses: WITH (hnsw_ef = 64)", "PAYLOAD"),
    _slip("EQUAL", "PAYLOAD VECTOR VECTORS", "write WITH {last} true", "a clause"),
    _slip("NAME", "PAYLOAD", "the fields stand in parentheses: WITH PAYLOAD ({found})"),
    _slip("NUMBER", "SCORE", "write SCORE THRESHOLD {found}"),
    _slip("OR", "NUMBER STRING TRUE FALSE", "OR DEFAULT goes with a parameter: :name OR DEFAULT", "a clause"),
    _slip("COMPARISON EQUAL", "THRESHOLD", "write SCORE THRESHOLD 0.5"),
    _slip("STRING NUMBER NAME FUSION", "QUERY", "the comma before QUERY might be one too many", "AS"),
    _slip("HNSW QUANTIZATION OPTIMIZERS PARAMS WAL", "", "write WITH {found} (…)", "WITH"),
    _slip("LPAR", "", "write CREATE INDEX ON docs FOR field", "FOR"),
    _slip("NAME", "INDEX", "an index has no name: CREATE INDEX ON docs FOR field", "ON"),
    _slip("LPAR", "COUNT", "write COUNT FROM docs; it counts points"),
    _slip("LPAR", "QUERY", "a vector stands in brackets: [0.1, 0.2]"),
    _slip("LPAR", "VALUES", "a row is an object: VALUES {{id: 1, name: 'x'}}"),
    _slip("LPAR", "", "a row is an object that names its fields: VALUES {{id: 1, name: 'x'}}", "VALUES"),
    _slip("LBRACE", "", "write VALUES before the rows", "VALUES"),
    _slip("LSQB NUMBER", "VECTOR", "write VECTOR(384, COSINE)", "`(`"),
    _slip(
        "LPAR",
        "VECTOR",
        "one vector without a name stands alone: CREATE COLLECTION docs VECTOR(384, COSINE)",
        "VECTOR",
    ),
    _slip("EQUAL", "", "an object is written {{key: value}}", "`:`"),
    _slip("COLON", "", "options are written (key = value)", "`=`"),
    _slip("RPAR RSQB RBRACE $END", "COMMA", "the comma before might be one too many"),
    _slip("COMMA", "NUMBER", "LIMIT 20 OFFSET 10 skips ten hits and gives twenty", "a clause"),
    _slip("COMMA", "", "clauses are not separated by commas", "a clause"),
    _slip("RPAR", "", "this `)` closes nothing", _END),
)
"""What is known to be meant."""
_GUESSES = (
    _slip("NUMBER NAME STRING LPAR", "NAME NUMBER RPAR", "an operator might be missing: a * b", "`*`"),
    _slip("NAME STRING", "COUNT SCROLL DELETE", "write {last} FROM {found}"),
    _slip("NAME STRING", "UPSERT INSERT", "write {last} INTO {found}"),
    _slip("NAME STRING LPAR NOT", "", "conditions are joined by AND or OR", "OR"),
)
"""What might be meant, where no word that could stand there is close to the one found."""
_FOREIGN = {
    **dict.fromkeys(
        ("LIKE", "ILIKE", "CONTAINS", "REGEXP", "RLIKE", "SIMILAR"),
        "MATCH 'words' searches a text, MATCH PREFIX 'x' the beginning of a keyword",
    ),
    "JOIN": "collections are not joined; LOOKUP FROM takes the vector of a point from another one",
    "HAVING": "WHERE chooses points, SCORE THRESHOLD cuts off scores",
    **dict.fromkeys(
        ("FIND", "GET", "FETCH"),
        "QUERY searches, QUERY POINTS (1, 2) fetches points by id, SCROLL walks through a collection",
    ),
    "TOP": "write LIMIT 5",
    "TABLE": "write COLLECTION",
    "TABLES": "write SHOW COLLECTIONS",
    "DATABASE": "write USE and the name of a collection",
    "DESCRIBE": "SHOW COLLECTION docs describes a collection",
    **dict.fromkeys(
        ("BEGIN", "COMMIT", "ROLLBACK"),
        "there are no transactions; each statement stands for itself",
    ),
    "TRUNCATE": "DROP COLLECTION removes a collection with all its points",
    "SCORE_THRESHOLD": "write SCORE THRESHOLD 0.5",
    "CASE": "write CASE WHEN condition THEN value ELSE value END",
    "RRF": "write FUSION RRF",
    "DBSF": "write FUSION DBSF",
    "LINEAR": "write FUSION LINEAR",
}
"""Words of other languages, and what says the same here."""
_FOLDS = {
    "an operator": frozenset({"`*`", "`+`", "`-`", "`/`"}),
    "a comparison": frozenset(
        {"a comparison", "`=`", "BETWEEN", "IN", "IS", "MATCH", "NOT", "RANGE", "VALUES_COUNT"}
        | {"GEO_BBOX", "GEO_POLYGON", "GEO_RADIUS"}
    ),
}
"""What is said once where all of it could stand."""
_COMPARISONS = (
    "a field is compared by =, !=, <, >=, BETWEEN, IN (…), IS NULL, IS EMPTY, MATCH, RANGE (…), "
    "VALUES_COUNT, GEO_RADIUS, GEO_BBOX or GEO_POLYGON"
)
_CLOSING = frozenset({"`)`", "`]`", "`}`"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where the parser stands: what may come next (as messages name it, each with its terminals), the
    terminal before, the brackets that are open, and the clauses of the statement."""

    expected: dict[str, list[str]]
    last: Token
    opened: list[Span]
    clauses: list[str]
    alike: str | None = None
    """What a character in the word here is that only looks like one of the language."""


def unexpected(token: Token, place: Place, labels: Mapping[str, str]) -> QQLSyntaxError:
    """The error for a terminal: what was found, what could have stood there, and what might be meant."""
    expected = place.expected
    wanted = _WANTED.get(place.last.type)
    if wanted and "a value" in expected:
        expected = {wanted: expected["a value"]}
    known = sorted(_folded(expected), key=lambda label: (label == _END, not label.isupper(), label))
    found = f"`{token.text}`" if token.text else _END
    if len(known) <= _MOST_LABELS:
        message, rest = f"expected {either(known)}, found {found}", None
    else:
        message, rest = f"unexpected {found}", f"expected {either(known)}"
    span = token.span if token.text else Span(max(token.start - 1, 0), token.start)
    unclosed = token.type == "$END" and place.opened and not _CLOSING.isdisjoint(expected)
    related = ((place.opened[-1], "opened here"),) if unclosed else ()
    hint = _meant(token, expected, place, labels) or rest
    return QQLSyntaxError(Diagnostic("syntax", message, span, hint, related))


def _folded(expected: Mapping[str, list[str]]) -> set[str]:
    """The labels, with one for those that come together."""
    labels = set(expected)
    for label, parts in _FOLDS.items():
        if parts <= labels:
            labels = labels - parts | {label}
    return labels


def _meant(
    token: Token, expected: dict[str, list[str]], place: Place, labels: Mapping[str, str]
) -> str | None:
    """A hint for a slip that is known, or for a word that is close to one that could stand here."""
    return (
        place.alike
        or _doubled_quote(token, place)
        or _hint(_SLIPS, place.last, token, expected)
        or _foreign_word(token, expected, place)
        or _close_word(token, expected, labels)
        or (SIGNS["@"] if re.fullmatch(r"\$[0-9]+", token.text) else None)
        or _hint(_GUESSES, place.last, token, expected)
        or _what_could_stand(token, expected, place)
    )


def _doubled_quote(token: Token, place: Place) -> str | None:
    last = place.last
    if last.type == "STRING" and token.start == last.end and "NAME" in token.kinds():
        return "a quote inside a string is doubled: 'it''s'"
    return None


def _foreign_word(token: Token, expected: dict[str, list[str]], place: Place) -> str | None:
    """A word of another language, or of a statement that begins on the same line."""
    word, last = token.text.upper(), place.last
    name_before = last.text.upper() if last.type == "NAME" and _END in expected else ""
    foreign = _FOREIGN.get(word) or _FOREIGN.get(name_before)
    if foreign is None and word in STARTERS and _END in expected:
        return "statements that share a line are separated by `;`"
    return foreign


def _close_word(token: Token, expected: dict[str, list[str]], labels: Mapping[str, str]) -> str | None:
    if "NAME" not in token.kinds():
        return None
    words = [labels[t] for terminals in expected.values() for t in terminals]
    return did_you_mean(token.text, [one for one in words if one.isupper()])


def _what_could_stand(token: Token, expected: dict[str, list[str]], place: Place) -> str | None:
    textual = any("STRING" in expected[label] for label in _TEXTUAL & expected.keys())
    if textual and "NAME" in token.kinds():
        return f"a text is written in quotes: '{token.text}'"
    if "a clause" in expected:
        return f"the clauses are {', '.join(place.clauses)}"
    if "a statement" in expected:
        return "statements begin with QUERY, SCROLL, COUNT, UPSERT, UPDATE, DELETE, CREATE, SHOW or the like"
    return _COMPARISONS if expected.keys() >= _FOLDS["a comparison"] else None


def either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]
