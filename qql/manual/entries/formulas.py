"""The entries of formulas: arithmetic, functions and the other expressions."""

from __future__ import annotations

from qql.manual.entry import Entry
from qql.manual.examples import NEAR_STAGE, ONLY_NAMES
from qql.manual.lists import DECAY_ARGUMENTS, DECAY_FUNCTIONS, DECAY_TEXTS, described
from qql.nodes import FUNCTIONS

__all__ = ["FORMULAS"]


def _formula_entry(
    name: str,
    rules: str,
    text: str,
    expression: str,
    *,
    covers: str = "",
    form: str = "",
    see: tuple[str, ...] = (),
    words: tuple[str, ...] = (),
) -> Entry:
    """An entry whose example scores points by an expression."""
    example = f"QUERY FORMULA {expression} FROM shops {NEAR_STAGE} {ONLY_NAMES} LIMIT 2;"
    return Entry("formulas", name, rules, text, example, covers=covers, form=form, see=see, words=words)


def _function_entry(name: str) -> Entry:
    function = FUNCTIONS[name]
    text = function.says
    names = ["expression"] * function.least + (["…"] if function.most is None else [])
    form = f"{name}({', '.join(names)})"
    if function.guard is not None:
        form += " [[DEFAULT = number]]"
        text += (
            f" `[DEFAULT = n]`, in brackets as they stand, is taken for n where the argument is less than"
            f" {function.guard:g}."
        )
    words = function.spellings
    return _formula_entry(name, "", text, function.example, form=form, words=words, see=("Arithmetic",))


FORMULAS: tuple[Entry, ...] = (
    _formula_entry(
        "Arithmetic",
        "arithmetic divide negate",
        "Sums, differences, products and quotients, with the usual "
        "precedence. `[DEFAULT = n]`, in brackets as they stand, is the quotient where the divisor is 0.",
        "($score + 1) * price / 2 - 1",
        words=("+", "-", "*", "/", "DEFAULT"),
        see=("FORMULA",),
    ),
    *(_function_entry(name) for name in FUNCTIONS),
    _formula_entry(
        "CASE",
        "case",
        "A value by conditions: that of the first one that holds.",
        "CASE WHEN price > 5 THEN 3 WHEN tags = 'cake' THEN 2 ELSE 1 END",
        covers="when",
        words=("WHEN", "ELSE"),
        see=("CONDITION",),
    ),
    _formula_entry(
        "CONDITION",
        "truth",
        "1 where a condition holds, 0 elsewhere.",
        "2 * CONDITION(price > 5) + MATCH(tags, 'cake')",
        covers="match_value match_any",
        words=("MATCH_ANY",),
        see=("CASE",),
    ),
    _formula_entry(
        "GEO_DISTANCE",
        "geo_distance",
        "The metres from a place to the place in a field.",
        "GEO_DISTANCE(52.5, 13.4, place)",
        see=("GEO",),
    ),
    _formula_entry(
        "DATETIME",
        "datetime datetime_key",
        "A date as seconds since 1970: a given one, or that of a field.",
        "DATETIME('2024-01-01T00:00:00Z') - DATETIME_KEY(opened)",
        words=("DATETIME_KEY",),
        see=("GAUSS_DECAY",),
    ),
    _formula_entry(
        "GAUSS_DECAY",
        "decay",
        "1 where x is the target, less the farther away it is: MIDPOINT (0.5) at the distance SCALE (1). "
        f"{described(DECAY_TEXTS)}. DECAY is another word for "
        "MIDPOINT. A duration (`30d`, `12h`) is in seconds.",
        "GAUSS_DECAY(price, TARGET = 4, SCALE = 2, MIDPOINT = 0.5)",
        covers="decay_option duration",
        words=(*DECAY_FUNCTIONS, *DECAY_ARGUMENTS),
        see=("DATETIME", "GEO_DISTANCE"),
    ),
)
