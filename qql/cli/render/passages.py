"""The part of a long text that is worth the room: where the words of the query are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice

from qql.cli.render.wrapping import text_width
from qql.late import late_pattern
from qql.rest.inference_objects import is_text, places_of
from qql.rest.request import Request

__all__ = ["best_passage", "found_words", "words_of_requests"]

_WORD = late_pattern(r"\w+")
_SENTENCE_END = late_pattern(r"[.!?:;]\s+|\n\s*\n|\n\s*")
_FULL_TEXT = ("text", "text_any", "phrase", "prefix", "substring")
_SHORT = 3  # characters of a word that says little: `a`, `the`
_LITTLE = 0.2  # what such a word counts, beside 1
_MOST_LOOKED_AT = 200_000  # characters of a text: megabytes are not read for a line
_MOST_NESTED = 200
_MOST_HITS = 150  # of words in a text: each is tried as the beginning


def words_of_requests(requests: Iterable[Request]) -> tuple[str, ...]:
    """The words that requests look for, in lower case: those of texts to embed, and of full-text matches."""
    found: dict[str, None] = {}
    for request in requests:
        if request.method != "POST":
            continue
        texts = [place.object["text"] for place in places_of(request) if is_text(place.object)]
        texts += _matched_texts(request.body)
        for text in texts:
            found |= dict.fromkeys(_WORD.findall(text.lower()))
    return tuple(found)


def _matched_texts(body: object) -> Iterator[str]:
    """The texts of MATCH conditions, and those of a full-text query."""
    pending: list[tuple[object, int]] = [(body, 0)]
    while pending:
        value, depth = pending.pop()
        if isinstance(value, Mapping) and depth < _MOST_NESTED:
            for key in ("match", "text"):
                inner = value.get(key)
                if isinstance(inner, Mapping):
                    yield from (inner[word] for word in _FULL_TEXT if isinstance(inner.get(word), str))
            inside = [one for key, one in value.items() if key not in ("payload", "vector", "points")]
            pending += [(one, depth + 1) for one in inside if isinstance(one, Mapping | list)]
        elif isinstance(value, list) and value and isinstance(value[0], Mapping | list):
            pending += [(one, depth + 1) for one in value]


def best_passage(text: str, words: Iterable[str], room: int, dots: str = "…") -> str:
    """At most ``room`` cells of a text, in which most of the words are; ``dots`` where it is cut.

    A word is found by its beginning, so that `directory` is found by `directories`. Without words, or where
    none of them is there, it is the beginning of the text.
    """
    text = text[:_MOST_LOOKED_AT]
    start = _best_start(text, tuple(words), room)
    rest = " ".join(text[start : start + 2 * room + 200].split())
    if start:
        rest = f"{dots} {rest}"
    return rest if text_width(rest) <= room else _ended(rest, room, dots)


def _ended(text: str, room: int, dots: str) -> str:
    """The beginning of a text up to a space, and dots."""
    from rich.cells import set_cell_size

    head = set_cell_size(text, max(room - len(dots), 0)).rstrip()
    if text[len(head) : len(head) + 1].strip():  # a word was cut
        short = head.rpartition(" ")[0]
        head = short if len(short) > len(head) * 2 // 3 else head
    return f"{head.rstrip()}{dots}"


def _best_start(text: str, words: tuple[str, ...], room: int) -> int:
    if text_width(text[: room + 1]) <= room and len(text) <= room:
        return 0
    hits = list(_hits(text, words))
    if not hits:
        return 0
    reach = max(room - 4, 1)  # in characters: near enough, as cells are counted when it is cut
    best, best_score = 0, -1.0
    for at, _ in hits:
        start = _sentence_start(text, at, reach // 3)
        inside = {word for place, word in hits if start <= place < start + reach - len(word)}
        score = sum(_LITTLE if len(word) <= _SHORT else 1.0 for word in inside)
        if score > best_score:
            best, best_score = start, score
    return best


def _hits(text: str, words: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Where words stand: the first of them, for a text may be full of them."""
    return ((start, word) for start, _, word in islice(_places(text, words), _MOST_HITS))


def _places(text: str, words: tuple[str, ...]) -> Iterator[tuple[int, int, str]]:
    """From where to where in a text a word stands, and which it is."""
    stems = _stems(words)
    lower = text.lower()
    for one in _WORD.finditer(lower if len(lower) == len(text) else text):
        for word, stem in stems.items():
            if one[0] == word or (len(word) > _SHORT and one[0].startswith(stem)):
                yield one.start(), one.end(), word
                break


def found_words(text: str, words: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """From where to where the words of a query stand in a text; short ones where there are no others."""
    telling = tuple(word for word in words if len(word) > _SHORT) or words
    return ((start, end) for start, end, _ in _places(text, telling)) if telling else iter(())


@lru_cache(maxsize=8)
def _stems(words: tuple[str, ...]) -> dict[str, str]:
    """The stem of each word; a table asks for those of its query again for each cell."""
    return {word: _stem(word) for word in words}


def _stem(word: str) -> str:
    for ending in ("ies", "ing", "es", "ed", "s", "y", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _sentence_start(text: str, at: int, most: int) -> int:
    """The beginning of the sentence, line or word that is at most ``most`` characters before a place."""
    if at <= most:
        return 0
    lead = text[at - most : at]
    if ends := [found.end() for found in _SENTENCE_END.finditer(lead)]:
        return at - most + ends[-1]
    space = lead.find(" ")
    return at - most + space + 1 if space >= 0 else at
