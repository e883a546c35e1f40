"""Options of payload indexes, by the type of the index."""

from __future__ import annotations

from collections.abc import Mapping

from qql.compiler.options.checks import any_of, flag, object_of, one_of, text, texts, whole
from qql.compiler.options.table import Setting, Settings, table
from qql.nodes.declare import Support
from qql.rest.types import Json

__all__ = ["INDEX_TYPES", "MEMORY"]

MEMORY = one_of("cold", "cached", "pinned")
"""Where Qdrant keeps something."""

_LANGUAGES = (
    *("arabic", "azerbaijani", "basque", "bengali", "catalan", "chinese", "danish", "dutch", "english"),
    *("finnish", "french", "german", "greek", "hebrew", "hinglish", "hungarian", "indonesian", "italian"),
    *("japanese", "kazakh", "nepali", "norwegian", "portuguese", "romanian", "russian", "slovene", "spanish"),
    *("swedish", "tajik", "turkish"),
)
_STEMMED = (
    *("arabic", "armenian", "danish", "dutch", "english", "finnish", "french", "german", "greek"),
    *("hungarian", "italian", "norwegian", "portuguese", "romanian", "russian", "spanish", "swedish"),
    *("tamil", "turkish"),
)


def _languages(value: Json) -> Json:
    language = one_of(*_LANGUAGES)
    return [language(item) for item in texts(value)]


def _stopwords(value: Json) -> Json:
    """A language, words of one's own in a list, or an object with both."""
    if isinstance(value, str):
        return {"languages": _languages([value])}
    if isinstance(value, list):
        return {"custom": texts(value)}
    try:
        return object_of({"languages": _languages, "custom": texts})(value)
    except ValueError:
        raise ValueError("a language, a list of words, or {languages: […], custom: […]}") from None


def _stemmer(value: Json) -> Json:
    language = one_of("none", *_STEMMED)(value)
    return {"type": "none"} if language == "none" else {"type": "snowball", "language": language}


_COMMON = (
    Setting("on_disk", flag, support=Support("1.11")),
    Setting("memory", MEMORY, support=Support("1.19")),
    Setting("enable_hnsw", flag, support=Support("1.17")),
    Setting("nested", text, support=Support("1.20")),
)
_TENANT = Setting("is_tenant", flag, shown="false", support=Support("1.11"))
_PRINCIPAL = Setting("is_principal", flag, shown="false", support=Support("1.11"))
INDEX_TYPES: Mapping[str, Settings] = {
    "keyword": table(*_COMMON, _TENANT, Setting("prefix", flag, support=Support("1.19"))),
    "integer": table(*_COMMON, Setting("lookup", flag), Setting("range", flag), _PRINCIPAL),
    "float": table(*_COMMON, _PRINCIPAL),
    "geo": table(*_COMMON),
    "bool": table(*_COMMON),
    "datetime": table(*_COMMON, _PRINCIPAL),
    "uuid": table(*_COMMON, _TENANT),
    "text": table(
        *_COMMON,
        Setting("tokenizer", one_of("word", "whitespace", "prefix", "multilingual", "code"), shown="word"),
        Setting("min_token_len", whole(0)),
        Setting("max_token_len", whole(1)),
        Setting("lowercase", flag, shown="true"),
        Setting("ascii_folding", flag, support=Support("1.16")),
        Setting("phrase_matching", flag, shown="false", support=Support("1.15")),
        Setting("stopwords", _stopwords, support=Support("1.15")),
        Setting("stemmer", _stemmer, support=Support("1.15")),
        Setting("scoring", any_of(flag, object_of({"type": one_of("bm25")})), support=Support("1.20")),
    ),
}
"""The types of payload index, each with its options."""
