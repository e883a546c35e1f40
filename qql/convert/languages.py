"""Languages by the codes that Qdrant takes for their names."""

from __future__ import annotations

from qql.rest.types import Json

__all__ = ["language_of"]

_LANGUAGES = {
    "ar": "arabic",
    "az": "azerbaijani",
    "bn": "bengali",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "he": "hebrew",
    "hi-en": "hinglish",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "jp": "japanese",
    "kk": "kazakh",
    "ne": "nepali",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sl": "slovene",
    "sv": "swedish",
    "ta": "tamil",
    "tg": "tajik",
    "tr": "turkish",
    "zh": "chinese",
}


def language_of(value: Json) -> Json:
    """The name of a language that is given by its code (`en`: `english`); anything else as it is."""
    return _LANGUAGES.get(value, value) if isinstance(value, str) else value
