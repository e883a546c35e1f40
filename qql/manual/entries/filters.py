"""The entries of filters: the conditions of WHERE."""

from __future__ import annotations

from qql.manual.entry import Entry
from qql.manual.lists import COMPARISONS, GEO_SHAPES, MATCH_TEXT, MATCH_VALUES, described, listed

__all__ = ["FILTERS"]


def _filter_entry(
    name: str,
    rules: str,
    text: str,
    condition: str,
    collection: str = "shops",
    *,
    form: str = "",
    also: tuple[str, ...] = (),
    see: tuple[str, ...] = (),
    words: tuple[str, ...] = (),
) -> Entry:
    """An entry whose example, and whose other spellings, are a SCROLL with a condition."""
    field = "text" if collection == "docs" else "name"
    example, *others = (
        f"SCROLL FROM {collection} WHERE {one} WITH PAYLOAD ({field})" for one in (condition, *also)
    )
    return Entry(
        "filters", name, rules, text, f"{example};", form=form, also=tuple(others), see=see, words=words
    )


FILTERS: tuple[Entry, ...] = (
    _filter_entry(
        "Comparison",
        "compare",
        "Compares a field with a value. Texts, whole numbers and booleans are equal or not; numbers and "
        "dates are also greater or less. `id` is the id of a point. A field with several values "
        "satisfies it with one of them.",
        "price < 5 AND name != 'south'",
        also=("price < 5 AND name <> 'south'", "name ≠ 'south' AND price < 5"),
        words=(*COMPARISONS, "ID", "EQUALS"),
        see=("BETWEEN", "IN", "IS NULL"),
    ),
    _filter_entry(
        "BETWEEN",
        "between",
        "A range with both ends.",
        "opened BETWEEN '2019-01-01' AND '2023-12-31'",
        see=("RANGE",),
    ),
    _filter_entry(
        "RANGE",
        "range",
        "Both ends of a range in one condition: of a field with several values, one value has to "
        "satisfy both.",
        "price RANGE (gt = 2, lte = 4.5)",
        see=("BETWEEN",),
    ),
    _filter_entry(
        "IN",
        "in",
        "One of several values. NOT IN leaves out points with such a value. An empty list, which a parameter "
        "may hold, finds nothing, and NOT IN everything, with a warning; in a statement that writes it is an "
        "error.",
        "name IN ('north', 'far')",
        also=("name MATCH ANY ('north', 'far')",),
        see=("MATCH",),
    ),
    _filter_entry(
        "IS NULL",
        "is_null",
        "The field is null. A field that is missing is not null but empty.",
        "closed IS NULL",
        see=("IS EMPTY",),
    ),
    _filter_entry(
        "IS EMPTY",
        "is_empty",
        "The field is missing, null or an empty list.",
        "tags IS EMPTY",
        see=("IS NULL",),
    ),
    _filter_entry(
        "MATCH",
        "match",
        f"Looks for words in a text: {described(MATCH_TEXT, '; ')}. "
        f"{listed(MATCH_VALUES, 'and')} compare with values. A text index says what a word is.",
        "text MATCH PHRASE 'chest pain' OR text MATCH TOKENS 'burns fire'",
        "docs",
        also=("text MATCH PHRASE 'chest pain' OR text MATCH ANY 'burns fire'",),
        words=(*filter(None, MATCH_TEXT), *MATCH_VALUES, "LIKE"),
        see=("MATCH … ON", "IN", "CREATE INDEX"),
    ),
    _filter_entry(
        "VALUES_COUNT",
        "values_count",
        "By how many values a field holds.",
        "tags VALUES_COUNT >= 2",
        also=("tags VALUES_COUNT (gte = 2)",),
    ),
    _filter_entry(
        "GEO",
        "geo",
        f"A place inside {listed(GEO_SHAPES.values(), 'or')}.",
        "place GEO_RADIUS {center: {lat: 52.5, lon: 13.4}, radius: 8000}",
        words=tuple(GEO_SHAPES),
        see=("GEO_DISTANCE",),
    ),
    _filter_entry(
        "NESTED",
        "nested",
        "One element of the array at the path satisfies all of the condition.",
        "NESTED('rooms', seats >= 10 AND quiet = true)",
    ),
    _filter_entry(
        "MIN SHOULD",
        "min_should",
        "At least so many of the conditions hold.",
        "MIN SHOULD 2 (price < 5, tags = 'cake', name = 'far')",
        see=("OR",),
    ),
    _filter_entry(
        "SLICE",
        "slice",
        "One of several disjoint parts of all points, counted from 0: to read them side by side.",
        "SLICE(2, 0) OR SLICE(2, 1)",
    ),
    _filter_entry(
        "HAS_VECTOR",
        "has_vector",
        "The point has a vector of this name.",
        "HAS_VECTOR small",
        also=("HAS_VECTOR (small)",),
    ),
    _filter_entry(
        "OPTIONAL",
        "optional",
        "Falls away where its parameters are null, as if it were not written; where nothing else is left, "
        "WHERE is not there. All of its parameters are null or none is, so each condition that may be "
        "missing has an OPTIONAL of its own; one inside another has its own parameters. Without OPTIONAL, "
        "null is an error. Writes take none: UPDATE and DELETE say in full what they change.",
        "OPTIONAL (price >= :least) AND OPTIONAL (tags = :tag)",
        see=("OR DEFAULT", "Bound condition"),
        words=("OPTIONAL FILTER",),
    ),
    _filter_entry(
        "Bound condition",
        "bound_condition",
        "A parameter in the place of a condition, alone or beside others. Its value is a filter in "
        "Qdrant's own words, or what the library's `qql.condition('year > :y', y=2020)` gives. A text is "
        "refused, and so are null and a filter that holds for every point.",
        "tags = :tag AND :filter",
        form=":name",
        see=("Parameters", "OPTIONAL"),
        words=(":FILTER", "QQL.CONDITION"),
    ),
    _filter_entry(
        "AND",
        "and",
        "Both conditions hold. AND binds closer than OR.",
        "price < 5 AND tags = 'cake'",
        see=("OR", "NOT"),
        form="condition AND condition",
    ),
    _filter_entry(
        "OR",
        "or",
        "One of the conditions holds.",
        "price > 5 OR tags = 'cake'",
        see=("AND",),
        form="condition OR condition",
    ),
    _filter_entry(
        "NOT",
        "not",
        "The condition does not hold. NOT binds closest.",
        "NOT (price > 5 OR tags = 'cake')",
        see=("AND",),
        form="NOT condition",
    ),
)
