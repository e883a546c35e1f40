"""What the examples of the manual find: collections, files, values of parameters, and pieces of queries."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.rest.types import Json

__all__ = ["FILES", "NEAR_STAGE", "ONLY_NAMES", "PARAMS", "SETUP", "TWO_STAGES"]

SETUP = {
    "docs": """\
CREATE COLLECTION docs (
  dense  VECTOR MODEL 'local/hash-64',
  sparse SPARSE MODEL 'qdrant/bm25',
  small  VECTOR(2, DOT),
  tokens VECTOR(2, DOT) WITH MULTIVECTOR (comparator = max_sim)
);
CREATE INDEX ON docs FOR topic TYPE keyword WITH (prefix = true);
CREATE INDEX ON docs FOR year TYPE integer;
CREATE INDEX ON docs FOR text TYPE text WITH (phrase_matching = true, scoring = true);
UPSERT INTO docs VALUES
  {id: 1, text: 'Emergency care for chest pain', topic: 'heart', year: 2023,
   vector: {small: [1, 0.1], tokens: [[1, 0], [0.5, 0.5]]}},
  {id: 2, text: 'Urgent treatment of burns', topic: 'skin', year: 2024,
   vector: {small: [0.2, 0.9], tokens: [[0, 1]]}},
  {id: 3, text: 'Care of wounds after surgery', topic: 'skin', year: 2022,
   vector: {small: [0.5, 0.6], tokens: [[0.5, 0.2], [0.1, 0.3]]}},
  {id: 4, text: 'How to plan a check-up', topic: 'other', year: 2024,
   vector: {small: [0.3, 0.2], tokens: [[0.2, 0.2]]}};
""",
    "shops": """\
CREATE COLLECTION shops (small VECTOR(2, DOT));
CREATE INDEX ON shops FOR tags TYPE keyword;
UPSERT INTO shops VALUES
  {id: 1, vector: {small: [1, 0]}, name: 'north', price: 4.5, opened: '2019-03-01T00:00:00Z',
   tags: ['tea', 'cake'], place: {lat: 52.56, lon: 13.4},
   rooms: [{seats: 4, quiet: true}, {seats: 20, quiet: false}]},
  {id: 2, vector: {small: [0.8, 0.4]}, name: 'south', price: 2.5, opened: '2023-07-01T00:00:00Z',
   tags: ['tea'], place: {lat: 52.45, lon: 13.4}, rooms: [{seats: 10, quiet: true}], closed: null},
  {id: 3, vector: {small: [0.1, 0.7]}, name: 'far', price: 9, opened: '2024-01-01T00:00:00Z', tags: [],
   place: {lat: 48.1, lon: 11.6}, rooms: []};
""",
}
"""What every example finds: two small collections."""
FILES = {
    "corpus.jsonl": '{"key": "a", "number": "17", "title": "Arms", "body": "Care of broken arms"}\n',
    "passages.tsv": "7\tHow hearts beat\n8\tWhy skin burns\n",
    "queries.qql": "COUNT FROM docs;\n",
}
"""The files that examples read."""

TWO_STAGES = "PREFETCH (QUERY 'emergency' USING dense LIMIT 3, QUERY 'care' USING sparse LIMIT 3)"
NEAR_STAGE = "PREFETCH (QUERY [1, 0] USING small LIMIT 3)"
ONLY_NAMES = "WITH PAYLOAD (name)"

PARAMS: dict[str, Json] = {
    "topic": "skin",
    "years": [2022, 2023],
    "filter": {"must": [{"key": "price", "range": {"lt": 5}}]},
    "tag": "cake",
    "fields": ["name", "price"],
    "least": None,
    "most": None,
}
"""The values of the parameters of the examples."""
