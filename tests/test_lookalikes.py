"""A character that only looks like one of the language, or that nobody sees, is named."""

from __future__ import annotations

import pytest

import qql
from qql.syntax.lookalikes import look_alike

MEANT = [
    ("QUERY 'a' FR\u041eM docs", "CYRILLIC CAPITAL LETTER O (U+041E), and `O` is meant"),
    ("QU\u0395RY 'a' FROM docs", "GREEK CAPITAL LETTER EPSILON (U+0395), and `E` is meant"),
    ("QUERY 'a' FROM d\u043ecs", "CYRILLIC SMALL LETTER O (U+043E), and `o` is meant"),
    ("QUERY 'a' FROM docs LIMIT \uff13", "FULLWIDTH DIGIT THREE (U+FF13), and `3` is meant"),
    ("QUERY 'a' FROM docs WHERE x = \u22123", "MINUS SIGN (U+2212), and `-` is meant"),
    ("QUERY 'a' FROM docs \u2013\u2013 note", "EN DASH (U+2013), and `-` is meant"),
    ("QUERY 'a' FROM docs\uff1b", "FULLWIDTH SEMICOLON (U+FF1B), and `;` is meant"),
    ("QUERY \u00b4a\u00b4 FROM docs", "ACUTE ACCENT (U+00B4): a text stands between straight quotes"),
    ("QUERY \u2018a\u2019 FROM docs", "a text stands between straight quotes"),
    ("QUERY 'a' FROM docs\u200b", "U+200B is ZERO WIDTH SPACE, which nobody sees: leave it out"),
    ("QUERY 'a' FROM docs WHERE \u202ex = 3", "U+202E is RIGHT-TO-LEFT OVERRIDE, which nobody sees"),
    ("QUERY 'a' FROM docs\x00", "U+0000 is a control character, which nobody sees"),
]


@pytest.mark.parametrize(("text", "hint"), MEANT, ids=lambda one: ascii(one)[:40])
def test_it_is_told_by_its_name_with_what_is_meant(text: str, hint: str) -> None:
    with pytest.raises(qql.QQLSyntaxError) as found:
        qql.parse(text)
    assert hint in (found.value.hint or "")


@pytest.mark.parametrize("name", ["\u0441\u0442\u0440\u0430\u043d\u0430", "prix_\u00e9", "\u540d\u524d"])
def test_a_name_in_another_script_is_no_mistake(name: str) -> None:
    with pytest.raises(qql.QQLSyntaxError) as found:
        qql.parse(f"QUERY 'a' FROM docs WHERE {name} = 1")
    assert found.value.hint == "a name with such characters is written in quotes"
    assert len(qql.parse(f"QUERY 'a' FROM docs WHERE `{name}` = 1")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffQUERY 'a' FROM docs LIMIT 3",
        "QUERY\u00a0'a' FROM docs LIMIT 3",
        "QUERY\u3000'a'\u2003FROM docs\u2028LIMIT 3",
        "QUERY 'a'\r\nFROM docs\rLIMIT 3",
    ],
)
def test_spaces_of_every_kind_are_spaces(text: str) -> None:
    assert qql.format(text).strip() == "QUERY 'a' FROM docs LIMIT 3;"


def test_no_character_ends_the_search_for_its_name() -> None:
    for number in [
        *range(0x3000),
        *range(0xD7F0, 0xE010),
        *range(0xFE00, 0x10000),
        0x1D7D8,
        0xE0001,
        0x10FFFF,
    ]:
        found = look_alike(chr(number))
        assert found is None or f"U+{number:04X}" in found
