"""Characters that look like those of the language and are others, or that nobody sees, by their names."""

from __future__ import annotations

import unicodedata

__all__ = ["look_alike", "look_alike_at"]

_CYRILLIC = "A=A VE=B IE=E DZE=S JE=J KA=K EM=M EN=H O=O ER=P ES=C TE=T U=Y HA=X BYELORUSSIAN-UKRAINIAN_I=I"
_GREEK = "ALPHA=A BETA=B EPSILON=E ZETA=Z ETA=H IOTA=I KAPPA=K MU=M NU=N OMICRON=O RHO=P TAU=T CHI=X"
_LETTERS = {
    f"{script} CAPITAL LETTER {name.replace('_', ' ')}": letter
    for script, pairs in (("CYRILLIC", _CYRILLIC), ("GREEK", _GREEK))
    for name, _, letter in (pair.partition("=") for pair in pairs.split())
}
"""Names of letters of other scripts → the Latin letters that look the same."""
_QUOTES = frozenset({"ACUTE ACCENT", "MODIFIER LETTER PRIME", "MODIFIER LETTER APOSTROPHE"})
_PRIMES = ("PRIME", "FULLWIDTH APOSTROPHE", "FULLWIDTH QUOTATION MARK")
_UNSEEN = ("Cc", "Cf", "Mn", "Me", "Zl", "Zp")
"""Categories of characters that have no shape of their own."""


_LONGEST = 64
"""Characters of a word that are looked at, to either side."""


def look_alike(char: str) -> str | None:
    """What a character is, and what is meant instead, as a hint; None for one that is like none of ours."""
    if not char or (char.isascii() and char.isprintable()):
        return None
    number, name = f"U+{ord(char):04X}", unicodedata.name(char, "")
    if unicodedata.category(char) in _UNSEEN:
        return f"{number} is {name or 'a control character'}, which nobody sees: leave it out"
    named = f"`{char}` is {name} ({number})"
    if name in _QUOTES or name.endswith(_PRIMES):
        return f"{named}: a text stands between straight quotes, 'text'"
    meant = _LETTERS.get(name.replace(" SMALL ", " CAPITAL "), "")
    if " SMALL " in name:
        meant = meant.lower()
    if unicodedata.category(char) == "Pd" or name == "MINUS SIGN":
        meant = "-"
    if not meant:
        plain = unicodedata.normalize("NFKC", char)
        meant = plain if len(plain) == 1 and plain.isascii() else ""
    return f"{named}, and `{meant}` is meant" if meant else None


def look_alike_at(text: str, pos: int) -> str | None:
    """The same of the character at a place, or of the first in the word there that is not ASCII.

    A word in another script is no mistake: of letters this is told where the rest of the word is Latin.
    """
    char = text[pos : pos + 1]
    if char and not (char.isalnum() or char == "_"):
        return look_alike(char)
    begin, end = pos, pos
    while begin > max(0, pos - _LONGEST) and (text[begin - 1].isalnum() or text[begin - 1] == "_"):
        begin -= 1
    while end < min(len(text), pos + _LONGEST) and (text[end].isalnum() or text[end] == "_"):
        end += 1
    strange = [char for char in text[begin:end] if not char.isascii()]
    told = [*map(look_alike, strange)]
    latin = len(strange) < end - begin or not strange or not strange[0].isalpha()
    return told[0] if told and latin and all(told) else None
