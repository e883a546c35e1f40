"""The entries of names, values and parameters, and of limits."""

from __future__ import annotations

from functools import partial

from qql.compiler.expansion import MAX_STAGES
from qql.compiler.script import MAX_EXECUTED, MAX_FILES
from qql.manual.entry import Entry
from qql.rest.limits import MAX_PREFETCH_DEPTH, MAX_VECTOR_SIZE, U32
from qql.syntax.lexer import MAX_NESTING
from qql.syntax.parser import MAX_BYTES

__all__ = ["LIMITS", "VALUES"]

_value_entry = partial(Entry, "values")


VALUES: tuple[Entry, ...] = (
    _value_entry(
        "Names",
        "name",
        "Collections, vectors, fields and stages. No keyword is reserved. A name with other signs stands "
        "in quotes; a path is `a.b`, or `a[].b` for the elements of an array. IDENTIFIER(:name) takes a "
        "name from a parameter.",
        "COUNT FROM 'docs';",
        also=("COUNT FROM `docs`",),
        words=("IDENTIFIER", "NAME"),
    ),
    _value_entry(
        "Texts",
        "string",
        "In single or double quotes, raw as r'…', over several lines as '''…''', verbatim in "
        "backticks. A quote inside is doubled, or written \\'.",
        "COUNT FROM docs WHERE topic = 'skin';",
        also=('COUNT FROM docs WHERE topic = "skin"', "COUNT FROM docs WHERE topic = r'skin'"),
        words=("STRING",),
    ),
    _value_entry(
        "Numbers",
        "number",
        "Whole numbers from -2^63 to 2^64 - 1, and decimals with or without an exponent.",
        "COUNT FROM shops WHERE price = 4.5;",
        also=("COUNT FROM shops WHERE price = 0.45e1",),
    ),
    _value_entry(
        "Equal and in order",
        "",
        "Nothing is converted: the text '4' is never equal to the number 4. Where `price` holds floating "
        "numbers, `price = 4` (and IN) is a match of the whole number 4, for which 4.0 counts only where "
        "`price` has an index of type integer; `price = 4.0` and ranges compare the numbers, with any index "
        "and without. An integer index leaves out values with a fraction, so that ranges do not find them: "
        "such a field takes an index of type float. Ranges are of 64-bit floating numbers: beyond 2^53 = "
        "9007199254740992 a bound is rounded to one, and without an integer index the values are, too; `=` "
        "and IN are exact. The local mode of qdrant-client has no indexes. EXPLAIN and `qql lint --db` say "
        "where it matters.",
        "SCROLL FROM shops WHERE price = 4.5 OR price BETWEEN 4 AND 4 WITH PAYLOAD (name);",
        form="field = number\nfield >= number",
        see=("Comparison", "IN", "CREATE INDEX"),
        words=("INTEGER INDEX", "FLOATING NUMBERS", "2^53"),
    ),
    _value_entry(
        "Arrays and objects",
        "array object",
        "As in JSON; keys need no quotes.",
        "UPDATE shops SET PAYLOAD = {tags: ['tea', 'milk']} WHERE id = 3;",
        also=('UPDATE shops SET PAYLOAD = {"tags": ["tea", "milk"]} WHERE id = 3',),
        words=("ARRAY", "JSON", "{}", "[]"),
        form="[value, …]\n{key: value, …}",
    ),
    _value_entry(
        "UUID",
        "uuid",
        "The id of a point is an unsigned integer or a UUID. UUID('text') makes a stable one of any text.",
        "UPSERT INTO shops VALUES {id: UUID('shop-4'), vector: {small: [0, 1]}, name: 'new'};\n"
        "SELECT * FROM shops WHERE id = UUID('shop-4');",
        words=("ID OF A POINT",),
    ),
    _value_entry(
        "Parameters",
        "param",
        "`:name` or `?` stands for a value, a vector, an id, a number of LIMIT or OFFSET, a list after "
        "IN, a payload or the rows of UPSERT; for a condition; for ASC or DESC (the text 'asc' or 'desc'); "
        "and behind WITH PAYLOAD and WITH VECTOR for a list of names, true, false or {exclude: […]}. "
        "Values are put into the tree, never into text. `--param "
        "name=value` and the library give them; one statement uses one of the two forms. The library takes "
        "Decimals, enums, dataclasses, pydantic's models, iterators, and what numpy, pandas, polars and "
        "pyarrow have for a value too; a missing date or value of theirs is null. Its "
        "`qql.prepare(text)` and `db.prepare(text)` read a text once, for many values.",
        "COUNT FROM docs WHERE topic = :topic AND year IN :years;",
        form=":name\n?",
        words=("PARAMETER", "PARAM", "?", ":", "PREPARE", "PREPARED"),
        covers="bound_selection direction lone_condition",
        see=("Bound condition", "OR DEFAULT"),
    ),
    _value_entry(
        "OR DEFAULT",
        "or_default",
        "Behind a parameter: where its value is null, as if the clause or the option were not written. "
        "LIMIT, OFFSET, SCORE THRESHOLD, the SIZE of groups, RERANK's TOP, MMR's parts, WITH PAYLOAD, WITH "
        "VECTOR, ASC or DESC and options may have it. Without it, null is an error there.",
        "SCROLL FROM shops WITH PAYLOAD :fields LIMIT :most OR DEFAULT;",
        covers="optional_scalar",
        form=":name OR DEFAULT",
        see=("OPTIONAL", "LIMIT"),
        words=("DEFAULT",),
    ),
    _value_entry(
        "Comments",
        "",
        "`-- …` up to the end of the line, and `/* … */`.",
        "COUNT FROM docs; -- all of them",
        form="-- comment\n/* comment */",
        also=("COUNT /* all of them */ FROM docs",),
        words=("--", "COMMENT"),
    ),
)

LIMITS: tuple[Entry, ...] = (
    Entry(
        "limits",
        "Depth, size and number",
        "",
        f"Filters, values and formulas nest {MAX_NESTING} levels deep, prefetches {MAX_PREFETCH_DEPTH} "
        f"(Qdrant's own limit). One statement may expand to {MAX_STAGES:,} prefetches, counted before "
        f"anything is expanded. LIMIT and OFFSET go up to {U32:,}. A statement has at most "
        f"{MAX_BYTES >> 20} MiB; a script that is run or checked may be longer. "
        f"A dense vector has at most {MAX_VECTOR_SIZE:,} dimensions. A script executes at most "
        f"{MAX_EXECUTED:,} files, {MAX_FILES} inside one another; pipes and devices are none. "
        "Past a limit stands an error that names it.",
        f"QUERY [1, 0] FROM docs USING small LIMIT {U32} WITH PAYLOAD false;",
        words=("LIMITS",),
    ),
)
