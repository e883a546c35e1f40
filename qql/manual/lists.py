"""What the language has several of, where entries name them all: each list once.

Texts and search words of entries are made of these lists, so an entry never repeats one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qql.compiler.embed_clauses import TEXT_FIELDS
from qql.nodes import DECAYS, MATCH_OPERATORS
from qql.nodes import FUSIONS as FUSION_METHODS
from qql.nodes.targets import STRATEGY

__all__ = [
    "COMPARISONS",
    "DECAY_ARGUMENTS",
    "DECAY_FUNCTIONS",
    "DECAY_TEXTS",
    "DISTANCES",
    "FEEDBACK_STRATEGIES",
    "FUSIONS",
    "GEO_SHAPES",
    "MATCH_TEXT",
    "MATCH_VALUES",
    "RECOMMEND_STRATEGIES",
    "TEXT_FIELDS",
    "UPDATE_MODES",
    "described",
    "keywords",
    "listed",
]

# --- targets and fusion -----------------------------------------------------------------------------------

RECOMMEND_STRATEGIES = STRATEGY.words
FEEDBACK_STRATEGIES = ("naive",)
FUSIONS = {word.upper(): says for word, says in FUSION_METHODS.items()}
"""The methods of FUSION, each with what it goes by."""

# --- filters ----------------------------------------------------------------------------------------------

COMPARISONS = ("=", "!=", "<>", "<", "<=", ">", ">=")
MATCH_TEXT = {known.word: known.says for known in MATCH_OPERATORS.values() if not known.values}
"""What stands behind MATCH before a text, each with which of its words it looks for; "" is MATCH alone."""
MATCH_VALUES = tuple(known.word for known in MATCH_OPERATORS.values() if known.values)
"""What stands behind MATCH before values."""
GEO_SHAPES = {
    "GEO_RADIUS": "a circle (`center`, `radius` in metres)",
    "GEO_BBOX": "a box (`top_left`, `bottom_right`)",
    "GEO_POLYGON": "a polygon (`exterior` and `interiors`, each with `points`, closed)",
}
"""The conditions on places, each with its shape and the keys of its object."""

# --- formulas ---------------------------------------------------------------------------------------------

DECAY_TEXTS = {"GAUSS": "falls like a bell", "EXP": "sharply at first", "LIN": "evenly down to 0"}
"""How the kinds of ``…_DECAY`` fall."""
DECAY_FUNCTIONS = tuple(f"{kind.upper()}_DECAY" for kind in DECAYS)
DECAY_ARGUMENTS = ("TARGET", "SCALE", "MIDPOINT", "DECAY")

# --- statements and collections ---------------------------------------------------------------------------

UPDATE_MODES = ("upsert", "insert_only", "update_only")
DISTANCES = ("COSINE", "DOT", "EUCLID", "MANHATTAN")

# --- lists as text ----------------------------------------------------------------------------------------


def listed(words: Iterable[str], last: str) -> str:
    """``a, b or c``, with ``last`` between the last two."""
    *before, end = words
    return f"{', '.join(before)} {last} {end}" if before else end


def described(texts: Mapping[str, str], separator: str = ", ") -> str:
    """``RRF by ranks, DBSF by scores``: each word with what is said of it."""
    return separator.join(f"{word} {text}".strip() for word, text in texts.items())


def keywords(*words: str) -> tuple[str, ...]:
    """The words in the case of keywords, as entries are found by."""
    return tuple(word.upper() for word in words)
