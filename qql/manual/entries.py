"""The reference manual as data: an entry for each statement, target, clause, filter, function, option block.

What can be derived is derived: synopses from the grammar (`qql.synopsis`), options from `qql.options`,
functions from `qql.functions`. Here stands what cannot be: a sentence or two, an example, other spellings.
A test carries out every example, and holds entries, grammar and tables to each other both ways. `find` and
`entry_text` are what ``qql help`` prints; `docs/manual.py` makes ``docs/reference.md`` of the same entries.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from qql.compiler import options
from qql.compiler.options.table import Check, Table
from qql.errors import did_you_mean
from qql.manual.synopsis import synopsis
from qql.nodes import FUNCTIONS, SPELLINGS

__all__ = [
    "ENTRIES",
    "FILES",
    "GROUPS",
    "PARAMS",
    "SETUP",
    "Entry",
    "OptionLine",
    "contents_text",
    "entry_text",
    "find",
    "option_lines",
    "suggestion",
    "syntax",
    "text_about",
]

GROUPS = {
    "statements": "Statements",
    "targets": "Targets: what QUERY searches for",
    "clauses": "Clauses",
    "filters": "Filters: the conditions of WHERE",
    "formulas": "Formulas",
    "options": "Options",
    "values": "Names, values and parameters",
    "limits": "Limits",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry.

    ``rules`` are those of the grammar that it is about, in the order of their synopses; ``where`` further
    rules that the synopses name; ``covers`` rules that it speaks of without showing them (all separated by
    spaces). ``form`` is the synopsis where the rules give none. ``tables`` are option tables with the name
    of each. ``also`` are other spellings of the last statement of ``example``, and mean the same. ``words``
    are further words to find it by. An example ``varies`` where no two runs give the same, and is
    ``refused`` by the embedded engine where it takes a server.
    """

    group: str
    name: str
    rules: str
    text: str
    example: str
    where: str = ""
    covers: str = ""
    form: str = ""
    tables: tuple[tuple[str, Table], ...] = ()
    also: tuple[str, ...] = ()
    see: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    varies: bool = False
    refused: bool = False


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
    "corpus.jsonl": '{"key": "a", "body": "Care of broken arms", "year": 2020}\n',
    "queries.qql": "COUNT FROM docs;\n",
}
"""The files that examples read."""

_STAGES = "PREFETCH (QUERY 'emergency' USING dense LIMIT 3, QUERY 'care' USING sparse LIMIT 3)"
_NEAR = "PREFETCH (QUERY [1, 0] USING small LIMIT 3)"
_NAMES = "WITH PAYLOAD (name)"


_statement = partial(Entry, "statements")


_STATEMENTS = (
    _statement(
        "QUERY",
        "query",
        "Searches a collection. Clauses come in any order, each at most once. Without a target it gives "
        "the points by their ids; with PREFETCH and a target it scores what its stages found; with "
        "PREFETCH and FUSION it fuses them. WITH names stages, which PREFETCH refers to; a stage is a "
        "query without FROM. LIMIT is 10 where it is missing.",
        "WITH wide AS (QUERY 'care' USING sparse LIMIT 3)\n"
        "QUERY 'urgent care' FROM docs USING dense PREFETCH (wide) LIMIT 2;",
        where="stage",
        covers="ctes cte",
        also=(
            "QUERY TEXT 'urgent care' FROM docs LIMIT 2 PREFETCH (QUERY 'care' USING sparse LIMIT 3) "
            "USING 'dense'",
            "SEARCH docs SIMILAR TO 'urgent care' USING dense PREFETCH (QUERY 'care' USING sparse LIMIT "
            "3) LIMIT 2",
        ),
        see=("PREFETCH", "FUSION", "EXPLAIN", "DEFINE"),
        words=("WITH", "STAGE", "CTE", "SEARCH"),
    ),
    _statement(
        "SEARCH",
        "search",
        "The first dialect's form of QUERY 'text' FROM collection.",
        "SEARCH docs SIMILAR TO 'burns' USING dense LIMIT 1;",
        also=("QUERY 'burns' FROM docs USING dense LIMIT 1",),
        see=("QUERY",),
        words=("SIMILAR",),
    ),
    _statement(
        "RECOMMEND FROM",
        "recommend_from",
        "The first dialect's form of QUERY RECOMMEND … FROM collection.",
        "RECOMMEND FROM docs POSITIVE (1) NEGATIVE (2) USING small LIMIT 1;",
        also=("QUERY RECOMMEND POSITIVE (1) NEGATIVE (2) FROM docs USING small LIMIT 1",),
        see=("RECOMMEND",),
    ),
    _statement(
        "SELECT",
        "select",
        "Fetches points by their ids: WHERE takes `id = 1` or `id IN (1, 2)` and nothing else.",
        "SELECT * FROM docs WHERE id IN (1, 4);",
        also=("QUERY POINTS (1, 4) FROM docs",),
        see=("POINTS", "SCROLL"),
    ),
    _statement(
        "COUNT",
        "count",
        "Counts the points that satisfy a condition. The count is exact; PARAMS (exact = false) lets a "
        "server estimate.",
        "COUNT FROM docs WHERE topic = 'skin';",
        tables=(("PARAMS", options.COUNT_OPTIONS),),
        also=("COUNT WHERE topic = 'skin' FROM docs",),
        see=("FACET",),
    ),
    _statement(
        "SCROLL",
        "scroll",
        "Walks through a collection in the order of ids, or of a field with an index. AFTER goes on "
        "behind a point.",
        "SCROLL FROM docs WHERE year >= 2023 LIMIT 2;",
        see=("AFTER", "ORDER BY"),
    ),
    _statement(
        "FACET",
        "facet",
        "Counts the points for each value of a field, the most frequent first. The field requires an index.",
        "FACET topic FROM docs WHERE year = 2024 OR topic = 'skin' LIMIT 1;",
        tables=(("PARAMS", options.FACET_OPTIONS),),
        also=("FACET FROM docs KEY topic WHERE year = 2024 OR topic = 'skin' LIMIT 1",),
        see=("COUNT", "CREATE INDEX"),
    ),
    _statement(
        "UPSERT",
        "upsert",
        "Writes points, and replaces those with the same id. A row is an object: `id`, `vector` (a "
        "vector, or an object of vectors by name), and the fields of the payload. Vectors with a model "
        "that a row does not give are made of its first field of text, body, content, title, "
        "description, name, summary, document; USING and EMBED name other models and fields. INSERT "
        "needs no id. UPDATE MODE is upsert, insert_only or update_only; UPDATE FILTER leaves points "
        "alone that do not satisfy it.",
        "UPSERT INTO docs VALUES {id: 5, text: 'Sleep and the heart', topic: 'heart', year: 2025};\n"
        "QUERY 'sleep' FROM docs USING sparse LIMIT 1;",
        where="embedding",
        covers="upsert_clause embeds embed mode update_filter hybrid_embedding hybrid_side",
        see=("COPY", "UPDATE", "UUID"),
        words=("INSERT", "EMBED", "UPDATE MODE", "UPDATE FILTER", "VALUES"),
    ),
    _statement(
        "UPDATE",
        "update",
        "Changes the payload or the vectors of points. SET PAYLOAD merges fields into the payload; with "
        "OVERWRITE it replaces the payload, with KEY it works on an object inside it. SET VECTOR "
        "replaces vectors of the point that WHERE names by id, and leaves the others.",
        "UPDATE docs SET PAYLOAD = {year: 2026} WHERE topic = 'heart';\nSELECT * FROM docs WHERE id = 1;",
        covers="assignment set_payload set_vector set_vectors write_clause",
        see=("UPSERT", "DELETE PAYLOAD", "OVERWRITE", "KEY"),
        words=("SET PAYLOAD", "SET VECTOR"),
    ),
    _statement(
        "DELETE",
        "delete",
        "Removes points. WHERE is required: `id = 1`, `id IN (…)`, or any condition.",
        "DELETE FROM docs WHERE year < 2023;\nCOUNT FROM docs;",
        see=("DROP COLLECTION", "DELETE PAYLOAD", "DELETE VECTOR"),
    ),
    _statement(
        "DELETE PAYLOAD",
        "delete_payload",
        "Removes fields of points.",
        "DELETE PAYLOAD year, topic FROM docs WHERE id = 1;\nSELECT * FROM docs WHERE id = 1;",
        see=("CLEAR PAYLOAD", "UPDATE"),
    ),
    _statement(
        "DELETE VECTOR",
        "delete_vector",
        "Removes vectors of points; the points stay.",
        "DELETE VECTOR small FROM docs WHERE id = 1;\nCOUNT FROM docs WHERE HAS_VECTOR small;",
        see=("ALTER COLLECTION", "HAS_VECTOR"),
    ),
    _statement(
        "CLEAR PAYLOAD",
        "clear_payload",
        "Removes all fields of points.",
        "CLEAR PAYLOAD FROM docs WHERE id = 1;\nSELECT * FROM docs WHERE id = 1;",
        see=("DELETE PAYLOAD",),
    ),
    _statement(
        "BATCH",
        "batch",
        "Sends several statements in one request: all of them queries, or all of them changes, of one "
        "collection.",
        "BATCH {\n  QUERY 'burns' FROM docs USING dense LIMIT 1;\n  QUERY 'pain' FROM docs USING sparse "
        "LIMIT 1;\n"
        "};",
        see=("WAIT",),
    ),
    _statement(
        "CREATE COLLECTION",
        "create_collection",
        "Makes a collection. Each vector has a name and a kind; size and distance may be left out where "
        "the model is known. The model is kept in the collection's metadata. Blocks behind a vector are "
        "for that vector, those at the end for the collection.",
        "CREATE COLLECTION IF NOT EXISTS photos (\n"
        "  full  VECTOR(512, COSINE) WITH HNSW (m = 32) WITH QUANTIZATION (type = scalar),\n"
        "  words SPARSE MODEL 'qdrant/bm25'\n"
        ") WITH OPTIMIZERS (indexing_threshold = 20000);",
        where="vector_def block",
        covers="collection_part vector_defs if_not_exists shape distance preset quantize",
        see=("ALTER COLLECTION", "HNSW", "QUANTIZATION", "MULTIVECTOR", "METADATA"),
        words=("SPARSE", "DISTANCE", "COSINE", "DOT", "EUCLID", "MANHATTAN", "QUANTIZE"),
    ),
    _statement(
        "ALTER COLLECTION",
        "alter_collection",
        "Changes the settings of a collection, of one of its vectors, or adds or drops a vector. WITH "
        "QUANTIZATION (disabled = true) ends quantization. A vector that is added is empty in every "
        "point.",
        "ALTER COLLECTION docs WITH HNSW (m = 24) WITH VECTOR dense (HNSW (m = 32));\n"
        "ALTER COLLECTION docs ADD more VECTOR(3, DOT);\nALTER COLLECTION docs DROP VECTOR more;",
        where="alteration",
        covers="vector_change sub_block added_vector add_vector drop_vector",
        see=("CREATE COLLECTION", "UPDATE", "OPTIMIZE"),
        words=("ADD VECTOR", "DROP VECTOR"),
    ),
    _statement(
        "DROP COLLECTION",
        "drop_collection",
        "Removes a collection with all its points.",
        "DROP COLLECTION IF EXISTS shops;\nSHOW COLLECTIONS;",
        covers="if_exists",
        see=("CREATE COLLECTION", "DELETE"),
    ),
    _statement("SHOW COLLECTIONS", "show_collections", "Lists the collections.", "SHOW COLLECTIONS;"),
    _statement(
        "SHOW COLLECTION",
        "show_collection",
        "Describes a collection: its points, its vectors, its indexes.",
        "SHOW COLLECTION shops;",
        see=("SHOW INDEXES",),
    ),
    _statement(
        "CREATE INDEX",
        "create_index",
        "Makes an index of a payload field. The type is keyword where none is given. Filters are fast "
        "with an index; FACET, ORDER BY and MATCH … ON require one. It is best made before points are "
        "loaded.",
        "CREATE INDEX IF NOT EXISTS ON shops FOR price TYPE float;",
        also=("CREATE INDEX IF NOT EXISTS ON COLLECTION shops FOR price TYPE float",),
        see=("INDEX TYPES", "DROP INDEX", "SHOW INDEXES"),
    ),
    _statement(
        "DROP INDEX",
        "drop_index",
        "Removes an index of a payload field.",
        "DROP INDEX ON docs FOR year;",
        see=("CREATE INDEX",),
    ),
    _statement(
        "SHOW INDEXES",
        "show_indexes",
        "Lists the indexes of a collection.",
        "SHOW INDEXES ON docs;",
        also=("SHOW INDEXES FROM docs",),
        see=("CREATE INDEX",),
    ),
    _statement(
        "CREATE ALIAS",
        "create_alias",
        "Gives a collection a second name. OR REPLACE moves an alias that exists to this collection, in "
        "one step.",
        "CREATE OR REPLACE ALIAS current FOR docs;\nCOUNT FROM current;",
        see=("ALTER ALIAS", "DROP ALIAS", "SHOW ALIASES"),
    ),
    _statement(
        "DROP ALIAS",
        "drop_alias",
        "Removes an alias; the collection stays.",
        "CREATE ALIAS current FOR docs;\nDROP ALIAS current;",
        see=("CREATE ALIAS",),
    ),
    _statement(
        "ALTER ALIAS",
        "rename_alias",
        "Renames an alias.",
        "CREATE ALIAS current FOR docs;\nALTER ALIAS current RENAME TO latest;",
        see=("CREATE ALIAS",),
        words=("RENAME",),
    ),
    _statement(
        "SHOW ALIASES",
        "show_aliases",
        "Lists the aliases, or those of one collection.",
        "CREATE ALIAS current FOR docs;\nSHOW ALIASES ON docs;",
        see=("CREATE ALIAS",),
    ),
    _statement(
        "CREATE SNAPSHOT",
        "create_snapshot",
        "Saves a collection as it is now; the engine names the snapshot.",
        "CREATE SNAPSHOT ON docs;",
        see=("RESTORE SNAPSHOT", "SHOW SNAPSHOTS", "DUMP"),
        varies=True,
    ),
    _statement(
        "DROP SNAPSHOT",
        "drop_snapshot",
        "Removes a snapshot.",
        "DROP SNAPSHOT IF EXISTS 'old.snapshot' ON docs;",
        see=("SHOW SNAPSHOTS",),
    ),
    _statement(
        "RESTORE SNAPSHOT",
        "restore_snapshot",
        "Puts a collection back to what a snapshot holds. The snapshot is one of the collection, by "
        "name, or a file or an address.",
        "RESTORE SNAPSHOT 'https://example.org/docs.snapshot' ON docs WITH (priority = snapshot);",
        tables=(("WITH", options.SNAPSHOT_OPTIONS),),
        see=("CREATE SNAPSHOT",),
        refused=True,
    ),
    _statement(
        "SHOW SNAPSHOTS",
        "show_snapshots",
        "Lists the snapshots of a collection.",
        "CREATE SNAPSHOT ON docs;\nSHOW SNAPSHOTS ON docs;",
        see=("CREATE SNAPSHOT",),
        varies=True,
    ),
    _statement(
        "CREATE SHARD KEY",
        "create_shard_key",
        "Makes a shard of its own for a key, in a collection with PARAMS (sharding_method = custom).",
        "CREATE SHARD KEY 'eu' ON docs WITH (shards_number = 2);",
        tables=(("WITH", options.SHARD_KEY_OPTIONS),),
        see=("SHARD", "SHOW SHARD KEYS"),
        refused=True,
    ),
    _statement(
        "DROP SHARD KEY",
        "drop_shard_key",
        "Removes the shards of a key with their points.",
        "DROP SHARD KEY 'eu' ON docs;",
        see=("CREATE SHARD KEY",),
        refused=True,
    ),
    _statement(
        "SHOW SHARD KEYS",
        "show_shard_keys",
        "Lists the shard keys of a collection.",
        "SHOW SHARD KEYS ON docs;",
        see=("CREATE SHARD KEY",),
        refused=True,
    ),
    _statement(
        "SET QUOTA",
        "set_quota",
        "Sets how much memory and disk a server may fill before it refuses writes. `null` ends a limit.",
        "SET QUOTA (enabled = true, max_disk_usage_percent = 90);",
        tables=(("SET QUOTA", options.QUOTA_OPTIONS),),
        see=("SHOW QUOTAS",),
        refused=True,
    ),
    _statement(
        "SHOW QUOTAS",
        "show_quotas",
        "Shows the limits that SET QUOTA has set.",
        "SHOW QUOTAS;",
        see=("SET QUOTA",),
        refused=True,
    ),
    _statement(
        "COPY",
        "copy",
        "Loads a file of JSON Lines, CSV or TSV (also gzipped) into a collection. MAP says which field "
        "of a line is the id, the text of a vector, a field of the payload; UUID(field) makes a stable "
        "id of any text. Without ON ERROR SKIP the file is checked first, and nothing is written if a "
        "line is bad.",
        "COPY docs FROM 'corpus.jsonl' MAP (id = UUID(key), text = body, payload = (year)) BATCH 500 ON "
        "ERROR SKIP;",
        covers="copy_option copy_format copy_map copy_batch copy_on_error map mapping",
        see=("UPSERT", "DUMP"),
        words=("MAP", "FORMAT", "ON ERROR", "LOAD"),
    ),
    _statement(
        "OPTIMIZE",
        "optimize",
        "Builds the indexes of a collection of the embedded engine. A server does it by itself.",
        "OPTIMIZE docs;",
        see=("OPTIMIZERS",),
    ),
    _statement(
        "EXECUTE",
        "execute",
        "Carries out the statements of a file.",
        "EXECUTE 'queries.qql';",
        see=("DUMP",),
    ),
    _statement(
        "DUMP",
        "dump",
        "Writes a script that makes a collection again, with its points.",
        "DUMP shops 'shops.qql';",
        see=("EXECUTE", "CREATE SNAPSHOT"),
        also=("DUMP COLLECTION shops 'shops.qql'",),
    ),
    _statement(
        "USE",
        "use",
        "Names the collection of the statements that follow and name none.",
        "USE docs;\nCOUNT;",
        see=("DEFINE",),
    ),
    _statement(
        "DEFINE",
        "define",
        "Defines a stage for the rest of the session or script; PREFETCH refers to it by name.",
        "DEFINE meaning AS (QUERY 'emergency' USING dense LIMIT 3);\n"
        "DEFINE words AS (QUERY 'care' USING sparse LIMIT 3);\n"
        "FUSION RRF FROM docs PREFETCH (meaning, words) LIMIT 2;",
        see=("UNDEFINE", "SHOW STAGES", "PREFETCH"),
    ),
    _statement(
        "UNDEFINE",
        "undefine",
        "Forgets a stage that DEFINE has defined.",
        "DEFINE words AS (QUERY 'care' USING sparse);\nUNDEFINE words;",
        see=("DEFINE",),
    ),
    _statement(
        "SHOW STAGES",
        "show_stages",
        "Lists the stages that DEFINE has defined.",
        "DEFINE words AS (QUERY 'care' USING sparse LIMIT 3);\nSHOW STAGES;",
        see=("DEFINE",),
    ),
    _statement(
        "EXPLAIN",
        "explain",
        "Shows the plan of a statement and its request, and sends nothing. ANALYZE carries a query out, and "
        "each of its stages: what each brought, in which time, and what became of it. RUNS repeats it for "
        "the times, ABLATE leaves each stage out in turn. FORMAT json is for programs.",
        "EXPLAIN QUERY 'burns' FROM docs USING dense PREFETCH (QUERY 'burns' USING sparse LIMIT 3) LIMIT 1;",
        covers="explain_option analyze runs ablate",
        see=("QUERY", "WHY", "WITH PROVENANCE"),
        words=("ANALYZE", "RUNS", "ABLATE"),
    ),
    _statement(
        "WHY",
        "why",
        "Follows one point through a query: where it stood in every stage, which condition of which filter "
        "it fails, or which limit or threshold cuts it off and at which rank it would have stood. WHY and "
        "WHY NOT ask the same: the first of a hit, the second of a point that is missed. FORMAT json is for "
        "programs.",
        "WHY NOT 3 QUERY 'burns' FROM docs USING sparse WHERE year > 2022 LIMIT 1;",
        covers="why_option",
        see=("EXPLAIN", "WITH PROVENANCE"),
        words=("WHY NOT",),
    ),
)


_target = partial(Entry, "targets")


_TARGETS = (
    _target(
        "TEXT",
        "text",
        "A text, embedded by a model: the one that is named, else the one of the vector. OPTIONS are the "
        "model's own.",
        "QUERY 'burns' FROM docs USING dense LIMIT 1;",
        covers="bare_text model_options input",
        also=(
            "QUERY TEXT 'burns' FROM docs USING dense LIMIT 1",
            "QUERY NEAREST 'burns' FROM docs USING dense LIMIT 1",
        ),
        see=("USING", "HYBRID", "MATCH … ON"),
        words=("NEAREST", "MODEL"),
    ),
    _target(
        "IMAGE",
        "image",
        "A picture, as an address or in base64, embedded by a model.",
        "QUERY IMAGE 'https://example.org/cat.png' MODEL 'cloud/clip' FROM docs USING small LIMIT 1;",
        see=("TEXT", "OBJECT"),
        refused=True,
    ),
    _target(
        "OBJECT",
        "inference",
        "Whatever a model of the server takes.",
        "QUERY OBJECT {text: 'cat', style: 'short'} MODEL 'cloud/any' FROM docs USING small LIMIT 1;",
        see=("TEXT", "IMAGE"),
        refused=True,
    ),
    _target(
        "VECTOR",
        "vector",
        "A vector: dense `[…]`, of several rows `[[…], …]`, or sparse `{indices: […], values: […]}`.",
        "QUERY [1, 0] FROM docs USING small LIMIT 2;",
        also=("QUERY VECTOR [1, 0] FROM docs USING small LIMIT 2",),
        see=("USING",),
    ),
    _target(
        "POINT",
        "point",
        "The vector of a point. The point itself is not among the hits.",
        "QUERY POINT 1 FROM docs USING small LIMIT 1;",
        covers="bare_point",
        also=("QUERY 1 FROM docs USING small LIMIT 1",),
        see=("POINTS", "LOOKUP FROM", "RECOMMEND"),
    ),
    _target(
        "POINTS",
        "points",
        "The points themselves, without a search.",
        "QUERY POINTS (1, 3) FROM docs;",
        covers="bound_points",
        also=("SELECT * FROM docs WHERE id IN (1, 3)",),
        see=("SELECT",),
    ),
    _target(
        "RECOMMEND",
        "recommend",
        "Points that are like some examples and unlike others. An example is the id of a point, a vector "
        "or TEXT '…'. STRATEGY is average_vector, best_score or sum_scores.",
        "QUERY RECOMMEND POSITIVE (1) NEGATIVE (2) STRATEGY best_score FROM docs USING small LIMIT 1;",
        covers="recommend_part recommend_option positive negative examples example example_point",
        also=(
            "QUERY RECOMMEND WITH (positive = (1), negative = (2)) STRATEGY 'best_score' FROM docs USING "
            "small LIMIT 1",
        ),
        see=("STRATEGY", "DISCOVER", "CONTEXT"),
        words=("POSITIVE", "NEGATIVE"),
    ),
    _target(
        "CONTEXT",
        "context",
        "Points that lie on the positive side of every pair of examples.",
        "QUERY CONTEXT (POSITIVE POINT 1 NEGATIVE POINT 2) FROM docs USING small LIMIT 5;",
        covers="context_pair bare_pair",
        also=("QUERY CONTEXT PAIRS ((1, 2)) FROM docs USING small LIMIT 5",),
        see=("DISCOVER",),
        words=("PAIRS",),
    ),
    _target(
        "DISCOVER",
        "discover",
        "Points near a target, those first that lie on the positive side of most pairs.",
        "QUERY DISCOVER TARGET POINT 3 CONTEXT (POSITIVE POINT 1 NEGATIVE POINT 2) FROM docs USING small "
        "LIMIT 5;",
        also=("QUERY DISCOVER TARGET POINT 3 CONTEXT PAIRS ((1, 2)) FROM docs USING small LIMIT 5",),
        see=("CONTEXT",),
    ),
    _target(
        "ORDER BY target",
        "order_target",
        "Points by the value of a field, which requires an index. START FROM leaves out what stands "
        "before a value.",
        "QUERY ORDER BY year ASC START FROM 2023 FROM docs LIMIT 1;",
        see=("SCROLL", "ORDER BY"),
    ),
    _target(
        "SAMPLE",
        "sample",
        "Points drawn by chance.",
        "QUERY SAMPLE FROM docs LIMIT 1;",
        also=("QUERY SAMPLE RANDOM FROM docs LIMIT 1",),
        varies=True,
    ),
    _target(
        "FORMULA",
        "formula",
        "Scores the points of the stages by an expression of their scores and fields. `$score` is the "
        "score of the stages together, `$score[0]` that of the first. DEFAULTS are values for fields "
        "that a point lacks.",
        f"QUERY FORMULA $score + 0.1 * price FROM shops {_NEAR} {_NAMES} LIMIT 2;",
        also=(f"QUERY FROM shops {_NEAR} BOOST $score + 0.1 * price {_NAMES} LIMIT 2",),
        see=("DEFAULTS", "BOOST", "Arithmetic", "GAUSS_DECAY", "CASE"),
    ),
    _target(
        "MMR",
        "mmr",
        "Hits that are near the target and unlike one another. DIVERSITY goes from 0 (near) to 1 "
        "(unlike); CANDIDATES are the hits to choose from.",
        "QUERY MMR [1, 0.2] DIVERSITY 0.7 CANDIDATES 4 FROM docs USING small LIMIT 2;",
        tables=(("PARAMS", options.MMR_OPTIONS),),
        covers="mmr_part diversity candidates",
        also=("QUERY [1, 0.2] FROM docs USING small LIMIT 2 WITH (mmr_diversity = 0.7, mmr_candidates = 4)",),
        words=("DIVERSITY", "CANDIDATES"),
    ),
    _target(
        "RELEVANCE FEEDBACK",
        "relevance_feedback",
        "Searches for a target and corrects it by examples with scores of their own. STRATEGY NAIVE "
        "takes three constants.",
        "QUERY RELEVANCE FEEDBACK TARGET [1, 0] FEEDBACK ((POINT 2, 1), (POINT 4, 0.2))\n"
        "STRATEGY NAIVE (a = 1, b = 1, c = 1) FROM docs USING small LIMIT 2;",
        tables=(("STRATEGY NAIVE", options.FEEDBACK_OPTIONS),),
        covers="feedback_item",
        see=("STRATEGY", "RECOMMEND"),
        words=("FEEDBACK",),
    ),
    _target(
        "HYBRID",
        "hybrid",
        "Searches a text by a dense and by a sparse vector, and fuses both. A vector is named where "
        "there are several.",
        "QUERY HYBRID 'emergency care' DENSE dense SPARSE sparse FROM docs LIMIT 2;",
        covers="hybrid_part using_hybrid",
        also=("QUERY 'emergency care' FROM docs USING HYBRID DENSE dense SPARSE sparse LIMIT 2",),
        see=("FUSION", "FUSION OPTIONS"),
        words=("USING HYBRID",),
    ),
    _target(
        "MATCH … ON",
        "full_text",
        "Full-text search: BM25 over the text index of a field. The index requires `scoring = true`.",
        "QUERY MATCH 'emergency care' ON text FROM docs LIMIT 2;",
        tables=(("MATCH … ON", options.BM25_OPTIONS),),
        see=("CREATE INDEX", "MATCH"),
        words=("MATCH ON", "FULL TEXT", "BM25"),
    ),
    _target(
        "RERANK target",
        "rerank_target",
        "Scores what the stages found by a multivector (late interaction).",
        "QUERY RERANK [[1, 0], [0, 1]] FROM docs USING tokens PREFETCH (QUERY [1, 0] USING small LIMIT "
        "3) LIMIT 2;",
        also=(
            "QUERY [[1, 0], [0, 1]] FROM docs USING tokens PREFETCH (QUERY [1, 0] USING small LIMIT 3) "
            "LIMIT 2",
        ),
        see=("RERANK", "CROSS RERANK"),
    ),
    _target(
        "CROSS RERANK",
        "cross_rerank",
        "Puts all that the stages found in the order of a cross-encoder, which reads the text of a field. "
        "The session does it; LIMIT is the number of hits.",
        "QUERY CROSS RERANK 'urgent care' MODEL 'local/overlap' ON text FROM docs\n"
        "PREFETCH (QUERY 'urgent care' USING dense LIMIT 3) LIMIT 2;",
        covers="on_field",
        see=("RERANK",),
        words=("ON FIELD",),
    ),
)


_clause = partial(Entry, "clauses")


_CLAUSES = (
    _clause(
        "FROM",
        "source",
        "The collection. After USE it may be left out.",
        "COUNT FROM docs;",
        also=("COUNT FROM COLLECTION docs",),
        see=("USE",),
    ),
    _clause(
        "USING",
        "using",
        "The vector to search. It may be left out where one vector only fits the target. AS says of "
        "which kind it is, where no collection is at hand to tell.",
        "QUERY 'burns' FROM docs USING sparse LIMIT 1;",
        covers="using_parts using_role using_part with_model with_vector",
        also=("QUERY 'burns' FROM docs USING VECTOR sparse LIMIT 1",),
        see=("HYBRID", "CREATE COLLECTION"),
    ),
    _clause(
        "WHERE",
        "where",
        "Which points take part. A stage's condition and that of its reference both hold.",
        "QUERY 'care' FROM docs USING dense WHERE topic = 'skin' AND NOT year < 2023 LIMIT 3;",
        see=("Comparison", "AND", "MATCH"),
    ),
    _clause(
        "PREFETCH",
        "prefetch",
        "The stages of a query: names, or stages in place. A reference may narrow its stage: WHERE is "
        "added by AND, SCORE THRESHOLD takes the place of the stage's, LOOKUP FROM says where a point's "
        "vector is.",
        "WITH a AS (QUERY 'care' USING dense LIMIT 3)\n"
        "QUERY [1, 0] FROM docs USING small PREFETCH (a WHERE year > 2022, QUERY 'burns' USING sparse) "
        "LIMIT 2;",
        where="ref",
        covers="named_ref inline_ref modifier",
        see=("QUERY", "FUSION", "DEFINE"),
        words=("REFERENCE",),
    ),
    _clause(
        "FUSION",
        "fusion",
        "Fuses the stages: RRF by ranks, DBSF by scores. The target of such a query is not searched again.",
        f"QUERY FUSION RRF FROM docs {_STAGES} WITH (rrf_k = 20) LIMIT 2;",
        also=(
            f"FUSION RRF FROM docs {_STAGES} PARAMS (rrf_k = 20) LIMIT 2",
            f"QUERY FROM docs {_STAGES} FUSION RRF WITH (rrf_k = 20) LIMIT 2",
        ),
        see=("FUSION OPTIONS", "PREFETCH", "HYBRID"),
        words=("RRF", "DBSF"),
    ),
    _clause(
        "BOOST",
        "boost",
        "Scores what the query found by an expression; `$score` is the query's own score.",
        "QUERY [1, 0] FROM shops USING small BOOST $score + 0.1 * price WITH PAYLOAD (name) LIMIT 2;",
        see=("FORMULA", "DEFAULTS"),
    ),
    _clause(
        "DEFAULTS",
        "defaults",
        "Values for the fields of a formula that a point lacks.",
        f"QUERY FORMULA $score + stars DEFAULTS (stars = 3) FROM shops {_NEAR} {_NAMES} LIMIT 2;",
        see=("FORMULA",),
    ),
    _clause(
        "RERANK",
        "rerank",
        "Puts the hits in the order of a cross-encoder, which reads their text: that of the field, or of "
        "the first field that usually has it. LIMIT is the number of candidates, TOP that of the hits. The "
        "session does it, so SCORE THRESHOLD is about the search. Models: local/overlap (shared words, no "
        "files), cohere/…, jina/…, voyage/…, tei/… and addresses; any other name is fastembed's.",
        "QUERY 'urgent care' FROM docs USING dense RERANK MODEL 'local/overlap' ON text TOP 2 LIMIT 4;",
        see=("CROSS RERANK", "RERANK target"),
        words=("TOP",),
    ),
    _clause(
        "STRATEGY",
        "strategy",
        "How RECOMMEND and RELEVANCE FEEDBACK use their examples.",
        "QUERY RECOMMEND POSITIVE (1, 3) STRATEGY sum_scores FROM docs USING small LIMIT 1;",
        see=("RECOMMEND", "RELEVANCE FEEDBACK"),
        words=("AVERAGE_VECTOR", "BEST_SCORE", "SUM_SCORES", "NAIVE"),
    ),
    _clause(
        "SCORE THRESHOLD",
        "threshold",
        "Leaves out hits with a worse score. In a stage it cuts that stage's scores.",
        "QUERY [1, 0] FROM docs USING small SCORE THRESHOLD 0.5;",
        see=("PREFETCH",),
    ),
    _clause(
        "PARAMS",
        "params exact",
        "Options of a search, of a fusion, of the request. Several blocks are taken together. EXACT is "
        "short for PARAMS (exact = true).",
        "QUERY [1, 0] FROM docs USING small PARAMS (exact = true, hnsw_ef = 64) LIMIT 1;",
        also=(
            "QUERY [1, 0] FROM docs USING small WITH {exact: true, hnsw_ef: 64} LIMIT 1",
            "QUERY [1, 0] FROM docs USING small EXACT WITH (hnsw_ef = 64) LIMIT 1",
        ),
        see=("SEARCH OPTIONS", "FUSION OPTIONS", "REQUEST OPTIONS", "MMR"),
        words=("WITH (…)", "EXACT"),
    ),
    _clause(
        "GROUP BY",
        "group group_size group_lookup",
        "The best hits for each value of a field; LIMIT counts groups, SIZE the hits of one. LOOKUP FROM "
        "adds a point of another collection to each group, by its id.",
        "QUERY 'care' FROM docs USING dense GROUP BY topic SIZE 1 LIMIT 2;",
        also=("QUERY 'care' FROM docs USING dense GROUP BY 'topic' GROUP_SIZE 1 LIMIT 2",),
        see=("FACET",),
        words=("GROUP_SIZE", "WITH LOOKUP"),
    ),
    _clause(
        "WITH PAYLOAD",
        "payload",
        "The fields that hits carry: all of them where nothing is said.",
        "QUERY 'burns' FROM docs USING dense WITH PAYLOAD (topic) LIMIT 1;",
        where="selection",
        covers="select_all select_none select_include select_exclude select_options",
        also=(
            "QUERY 'burns' FROM docs USING dense WITH PAYLOAD INCLUDE (topic) LIMIT 1",
            "QUERY 'burns' FROM docs USING dense WITH PAYLOAD (include = ['topic']) LIMIT 1",
        ),
        words=("INCLUDE", "EXCLUDE"),
    ),
    _clause(
        "WITH PROVENANCE",
        "provenance",
        "Each hit says at which rank and with which score each stage gave it, and its share of the fused "
        "score; the shares add up to the score. The stages run beside the query for it. With RERANK it is "
        "about the search that finds the candidates.",
        "QUERY 'burns' FROM docs\n"
        "PREFETCH (QUERY 'burns' USING dense LIMIT 3, QUERY 'burns' USING sparse LIMIT 3)\n"
        "FUSION RRF WITH PROVENANCE LIMIT 2;",
        see=("EXPLAIN", "WHY"),
    ),
    _clause(
        "WITH VECTOR",
        "vectors",
        "The vectors that hits carry: none where nothing is said.",
        "QUERY [1, 0] FROM docs USING small WITH PAYLOAD false WITH VECTOR (small) LIMIT 1;",
        where="selection",
        also=("QUERY [1, 0] FROM docs USING small WITH PAYLOAD false WITH VECTORS (small) LIMIT 1",),
    ),
    _clause(
        "WITH MODEL",
        "with_model_clause",
        "The model of the target's text, behind it.",
        "QUERY 'burns' FROM docs USING dense WITH MODEL 'local/hash-64' LIMIT 1;",
        also=("QUERY 'burns' MODEL 'local/hash-64' FROM docs USING dense LIMIT 1",),
        see=("TEXT",),
    ),
    _clause(
        "LOOKUP FROM",
        "lookup",
        "Takes the vectors of POINT and of examples from another collection.",
        "QUERY POINT 3 FROM docs USING small LOOKUP FROM shops VECTOR small LIMIT 1;",
        see=("POINT", "RECOMMEND", "GROUP BY"),
    ),
    _clause(
        "SHARD",
        "shard",
        "The shard keys that a statement works on, in a collection with sharding of its own. FALLBACK is "
        "the key for points whose key has no shard yet.",
        "COUNT FROM docs SHARD 'eu';",
        see=("CREATE SHARD KEY",),
        words=("FALLBACK",),
        refused=True,
    ),
    _clause(
        "LIMIT",
        "limit",
        "How many hits, points or groups there are at most; 10 where it is missing.",
        "SCROLL FROM docs LIMIT 1;",
        see=("OFFSET",),
    ),
    _clause(
        "OFFSET",
        "offset",
        "How many hits are skipped. A stage has none.",
        "QUERY [1, 0] FROM docs USING small LIMIT 1 OFFSET 1;",
        see=("LIMIT", "AFTER"),
    ),
    _clause(
        "AFTER",
        "after",
        "SCROLL goes on behind this point.",
        "SCROLL FROM docs AFTER 2 LIMIT 1;",
        see=("SCROLL",),
    ),
    _clause(
        "ORDER BY",
        "order_by",
        "SCROLL goes by a field, which requires an index.",
        "SCROLL FROM docs ORDER BY year ASC LIMIT 1;",
        see=("ORDER BY target",),
    ),
    _clause(
        "OVERWRITE",
        "overwrite",
        "UPDATE … SET PAYLOAD replaces the payload, and merges nothing.",
        "UPDATE docs SET PAYLOAD = {year: 2026} OVERWRITE WHERE id = 1;\nSELECT * FROM docs WHERE id = 1;",
        see=("UPDATE",),
    ),
    _clause(
        "KEY",
        "key",
        "UPDATE … SET PAYLOAD works on the object at this path.",
        "UPDATE shops SET PAYLOAD = {lat: 1.5} KEY place WHERE id = 1;\n"
        "QUERY POINTS (1) FROM shops WITH PAYLOAD (place);",
        see=("UPDATE",),
    ),
    _clause(
        "WAIT",
        "wait",
        "A change is waited for until it can be seen; WAIT false only until it is accepted.",
        "DELETE FROM docs WHERE id = 1 WAIT true;",
        see=("UPSERT",),
    ),
)


def _filter(
    name: str, rules: str, text: str, condition: str, collection: str = "shops", **more: Any
) -> Entry:
    fields = "text" if collection == "docs" else "name"
    example = f"SCROLL FROM {collection} WHERE {condition} WITH PAYLOAD ({fields});"
    also = tuple(
        f"SCROLL FROM {collection} WHERE {other} WITH PAYLOAD ({fields})" for other in more.pop("also", ())
    )
    return Entry("filters", name, rules, text, example, also=also, **more)


_FILTERS = (
    _filter(
        "Comparison",
        "compare",
        "Compares a field with a value. Texts, whole numbers and booleans are equal or not; numbers and "
        "dates are also greater or less. `id` is the id of a point. A field with several values "
        "satisfies it with one of them.",
        "price < 5 AND name != 'south'",
        also=("price < 5 AND name <> 'south'", "name ≠ 'south' AND price < 5"),
        words=("=", "!=", "<>", "<", "<=", ">", ">=", "ID", "EQUALS"),
        see=("BETWEEN", "IN", "IS NULL"),
    ),
    _filter(
        "BETWEEN",
        "between",
        "A range with both ends.",
        "opened BETWEEN '2019-01-01' AND '2023-12-31'",
        see=("RANGE",),
    ),
    _filter(
        "RANGE",
        "range",
        "Both ends of a range in one condition: of a field with several values, one value has to "
        "satisfy both.",
        "price RANGE (gt = 2, lte = 4.5)",
        see=("BETWEEN",),
    ),
    _filter(
        "IN",
        "in",
        "One of several values. NOT IN leaves out points with such a value.",
        "name IN ('north', 'far')",
        also=("name MATCH ANY ('north', 'far')",),
        see=("MATCH",),
    ),
    _filter(
        "IS NULL",
        "is_null",
        "The field is null. A field that is missing is not null but empty.",
        "closed IS NULL",
        see=("IS EMPTY",),
    ),
    _filter(
        "IS EMPTY",
        "is_empty",
        "The field is missing, null or an empty list.",
        "tags IS EMPTY",
        see=("IS NULL",),
    ),
    _filter(
        "MATCH",
        "match",
        "Looks for words in a text: all of them; PHRASE in a row; TOKENS one of them; PREFIX the "
        "beginning of a keyword; SUBSTRING a part of it. ANY and EXCEPT compare with values. A text "
        "index says what a word is.",
        "text MATCH PHRASE 'chest pain' OR text MATCH TOKENS 'burns fire'",
        "docs",
        also=("text MATCH PHRASE 'chest pain' OR text MATCH ANY 'burns fire'",),
        words=("PHRASE", "PREFIX", "SUBSTRING", "TOKENS", "ANY", "EXCEPT", "LIKE"),
        see=("MATCH … ON", "IN", "CREATE INDEX"),
    ),
    _filter(
        "VALUES_COUNT",
        "values_count",
        "By how many values a field holds.",
        "tags VALUES_COUNT >= 2",
        also=("tags VALUES_COUNT (gte = 2)",),
    ),
    _filter(
        "GEO",
        "geo",
        "A place inside a circle (`center`, `radius` in metres), a box (`top_left`, `bottom_right`) or a "
        "polygon (`exterior` and `interiors`, each with `points`, closed).",
        "place GEO_RADIUS {center: {lat: 52.5, lon: 13.4}, radius: 8000}",
        words=("GEO_BBOX", "GEO_RADIUS", "GEO_POLYGON"),
        see=("GEO_DISTANCE",),
    ),
    _filter(
        "NESTED",
        "nested",
        "One element of the array at the path satisfies all of the condition.",
        "NESTED('rooms', seats >= 10 AND quiet = true)",
    ),
    _filter(
        "MIN SHOULD",
        "min_should",
        "At least so many of the conditions hold.",
        "MIN SHOULD 2 (price < 5, tags = 'cake', name = 'far')",
        see=("OR",),
    ),
    _filter(
        "SLICE",
        "slice",
        "One of several disjoint parts of all points, counted from 0: to read them side by side.",
        "SLICE(2, 0) OR SLICE(2, 1)",
    ),
    _filter(
        "HAS_VECTOR",
        "has_vector",
        "The point has a vector of this name.",
        "HAS_VECTOR small",
        also=("HAS_VECTOR (small)",),
    ),
    _filter(
        "AND",
        "and",
        "Both conditions hold. AND binds closer than OR.",
        "price < 5 AND tags = 'cake'",
        see=("OR", "NOT"),
        form="condition AND condition",
    ),
    _filter(
        "OR",
        "or",
        "One of the conditions holds.",
        "price > 5 OR tags = 'cake'",
        see=("AND",),
        form="condition OR condition",
    ),
    _filter(
        "NOT",
        "not",
        "The condition does not hold. NOT binds closest.",
        "NOT (price > 5 OR tags = 'cake')",
        see=("AND",),
        form="NOT condition",
    ),
)


def _formula(name: str, rules: str, text: str, expression: str, **more: Any) -> Entry:
    example = f"QUERY FORMULA {expression} FROM shops {_NEAR} {_NAMES} LIMIT 2;"
    return Entry("formulas", name, rules, text, example, **more)


_SAID = {
    "ABS": ("The value without its sign.", "ABS(price - 9)"),
    "SQRT": ("The square root.", "SQRT(price)"),
    "POW": ("The first value to the power of the second.", "POW(price, 2)"),
    "EXP": ("e to the power of the value.", "EXP($score)"),
    "LOG": ("The logarithm to base 10.", "LOG(price)"),
    "LN": ("The natural logarithm.", "LN(price)"),
    "ACOSH": ("The inverse hyperbolic cosine.", "ACOSH(price)"),
    "MAX": ("The greatest of the values.", "MAX(price, 3, 4)"),
    "MIN": ("The least of the values.", "MIN(price, 5)"),
    "SUM": ("The sum of the values.", "SUM(price, $score, 1)"),
    "PRODUCT": ("The product of the values.", "PRODUCT(price, 2)"),
    "NEG": ("The value with the other sign.", "NEG(price)"),
}


def _function(name: str) -> Entry:
    text, expression = _SAID[name]
    function = FUNCTIONS[name]
    names = ["expression"] * function.least + (["…"] if function.most is None else [])
    form = f"{name}({', '.join(names)})"
    if function.guard is not None:
        form += " [[DEFAULT = number]]"
        text += (
            f" `[DEFAULT = n]`, in brackets as they stand, is taken for n where the argument is less than"
            f" {function.guard:g}."
        )
    words = tuple(other for other, meant in SPELLINGS.items() if meant == name)
    return _formula(name, "", text, expression, form=form, words=words, see=("Arithmetic",))


_FORMULAS = (
    _formula(
        "Arithmetic",
        "arithmetic divide negate",
        "Sums, differences, products and quotients, with the usual "
        "precedence. `[DEFAULT = n]`, in brackets as they stand, is the quotient where the divisor is 0.",
        "($score + 1) * price / 2 - 1",
        words=("+", "-", "*", "/", "DEFAULT"),
        see=("FORMULA",),
    ),
    *(_function(name) for name in FUNCTIONS),
    _formula(
        "CASE",
        "case",
        "A value by conditions: that of the first one that holds.",
        "CASE WHEN price > 5 THEN 3 WHEN tags = 'cake' THEN 2 ELSE 1 END",
        covers="when",
        words=("WHEN", "ELSE"),
        see=("CONDITION",),
    ),
    _formula(
        "CONDITION",
        "truth",
        "1 where a condition holds, 0 elsewhere.",
        "2 * CONDITION(price > 5) + MATCH(tags, 'cake')",
        covers="match_value match_any",
        words=("MATCH_ANY",),
        see=("CASE",),
    ),
    _formula(
        "GEO_DISTANCE",
        "geo_distance",
        "The metres from a place to the place in a field.",
        "GEO_DISTANCE(52.5, 13.4, place)",
        see=("GEO",),
    ),
    _formula(
        "DATETIME",
        "datetime datetime_key",
        "A date as seconds since 1970: a given one, or that of a field.",
        "DATETIME('2024-01-01T00:00:00Z') - DATETIME_KEY(opened)",
        words=("DATETIME_KEY",),
        see=("GAUSS_DECAY",),
    ),
    _formula(
        "GAUSS_DECAY",
        "decay",
        "1 where x is the target, less the farther away it is: MIDPOINT (0.5) at the distance SCALE (1). "
        "GAUSS falls like a bell, EXP sharply at first, LIN evenly down to 0. DECAY is another word for "
        "MIDPOINT. A duration (`30d`, `12h`) is in seconds.",
        "GAUSS_DECAY(price, TARGET = 4, SCALE = 2, MIDPOINT = 0.5)",
        covers="decay_option duration",
        words=("EXP_DECAY", "LIN_DECAY", "TARGET", "SCALE", "MIDPOINT", "DECAY"),
        see=("DATETIME", "GEO_DISTANCE"),
    ),
)


def _options(name: str, text: str, tables: Iterable[tuple[str, Table]], example: str, **more: Any) -> Entry:
    return Entry("options", name, "", text, example, tables=tuple(tables), **more)


def _with(kind: str) -> str:
    return f"WITH {kind} (option = value [, …])"


_QUANTIZED = [(f"type = {kind}", table) for kind, table in options._QUANTIZATION.items()]

_OPTIONS = (
    _options(
        "SEARCH OPTIONS",
        "How an approximate search is carried out, in PARAMS (…) or WITH (…) of a query or a stage. "
        "`idf` may also be a condition, `idf = WHERE f`: word frequencies are counted among the points "
        "that satisfy it. `acorn` is true or false, or an object with max_selectivity.",
        [("PARAMS", options.SEARCH_PARAMS), ("PARAMS, beside acorn = true", options.ACORN_OPTIONS)],
        "QUERY [1, 0] FROM docs USING small PARAMS (hnsw_ef = 128, quantization = {rescore: true}) LIMIT 1;",
        see=("PARAMS",),
        form="PARAMS (option = value [, …])",
    ),
    _options(
        "FUSION OPTIONS",
        "Of FUSION RRF. Weights go by position, or by the names of the stages.",
        [("PARAMS", options.FUSION_OPTIONS)],
        f"QUERY FUSION RRF FROM docs {_STAGES} PARAMS (rrf_k = 20, rrf_weights = [0.7, 0.3]) LIMIT 2;",
        see=("FUSION",),
        form="PARAMS (option = value [, …])",
    ),
    _options(
        "REQUEST OPTIONS",
        "Of the request as a whole, for servers: seconds until it gives up, and how many copies "
        "of the data have to agree.",
        [("PARAMS", options.REQUEST_OPTIONS)],
        "QUERY [1, 0] FROM docs USING small PARAMS (consistency = majority, timeout = 5) LIMIT 1;",
        see=("PARAMS",),
        refused=True,
        form="PARAMS (option = value [, …])",
    ),
    _options(
        "HNSW",
        "The graph index of a vector. `m = 0` makes none.",
        [("WITH HNSW", options._HNSW)],
        "CREATE COLLECTION c (v VECTOR(8, COSINE) WITH HNSW (m = 32, ef_construct = 200));",
        see=("CREATE COLLECTION", "ALTER COLLECTION"),
        form=_with("HNSW"),
    ),
    _options(
        "VECTOR block",
        "How vectors are stored.",
        [("WITH VECTOR", options._VECTOR)],
        "CREATE COLLECTION c (v VECTOR(8, COSINE) WITH VECTOR (datatype = float16, on_disk = true));",
        also=("CREATE COLLECTION c (v VECTOR(8, COSINE) WITH VECTORS (datatype = float16, on_disk = true))",),
        see=("CREATE COLLECTION",),
        words=("VECTORS", "WITH VECTORS"),
        form=_with("VECTOR"),
    ),
    _options(
        "QUANTIZATION",
        "Smaller copies of vectors, which are searched first. `type` is required. ALTER also takes "
        "`disabled = true`.",
        _QUANTIZED,
        "CREATE COLLECTION c (v VECTOR(8, COSINE) WITH QUANTIZATION (type = scalar, quantile = 0.99, "
        "always_ram = true));",
        see=("CREATE COLLECTION", "SEARCH OPTIONS"),
        words=("SCALAR", "PRODUCT", "BINARY", "TURBO", "DISABLED"),
        form="WITH QUANTIZATION (type = kind [, option = value …])",
    ),
    _options(
        "MULTIVECTOR",
        "Makes a vector one of several rows, compared row by row. It takes `comparator = max_sim`.",
        [],
        "CREATE COLLECTION c (v VECTOR(8, COSINE) WITH MULTIVECTOR (comparator = max_sim));",
        see=("CREATE COLLECTION", "RERANK target"),
        words=("COMPARATOR", "MAX_SIM"),
        form=_with("MULTIVECTOR"),
    ),
    _options(
        "SPARSE INDEX",
        "A sparse vector: how it is scored, stored and indexed. `modifier = idf` is what BM25 needs.",
        [("WITH SPARSE, WITH INDEX", options._SPARSE)],
        "CREATE COLLECTION c (v SPARSE WITH SPARSE (modifier = idf) WITH INDEX (on_disk = true));",
        see=("CREATE COLLECTION",),
        words=("INDEX", "WITH SPARSE", "WITH INDEX"),
        form="WITH {SPARSE | INDEX} (option = value [, …])",
    ),
    _options(
        "OPTIMIZERS",
        "When and how segments are merged and indexed.",
        [("WITH OPTIMIZERS", options._OPTIMIZERS)],
        "CREATE COLLECTION c (v VECTOR(8, COSINE)) WITH OPTIMIZERS (indexing_threshold = 20000);",
        see=("OPTIMIZE",),
        form=_with("OPTIMIZERS"),
    ),
    _options(
        "COLLECTION PARAMS",
        "Shards, replicas and storage of a collection. ALTER takes those that can be changed.",
        [
            ("CREATE COLLECTION … WITH PARAMS", options._PARAMS),
            ("ALTER COLLECTION … WITH PARAMS", options._ALTER_PARAMS),
        ],
        "CREATE COLLECTION c (v VECTOR(8, COSINE)) WITH PARAMS (on_disk_payload = true);",
        see=("CREATE COLLECTION", "CREATE SHARD KEY"),
        words=("WITH PARAMS",),
        form=_with("PARAMS"),
    ),
    _options(
        "WAL",
        "The write-ahead log of a server. It is settled when a collection is created.",
        [("WITH WAL", options._WAL)],
        "CREATE COLLECTION c (v VECTOR(8, COSINE)) WITH WAL (wal_capacity_mb = 64);",
        see=("CREATE COLLECTION",),
        refused=True,
        form=_with("WAL"),
    ),
    _options(
        "STRICT_MODE",
        "Limits of what a server lets statements ask of a collection.",
        [("WITH STRICT_MODE", options._STRICT_MODE)],
        "CREATE COLLECTION c (v VECTOR(8, COSINE)) WITH STRICT_MODE (enabled = true, max_query_limit = "
        "1000);",
        see=("CREATE COLLECTION", "SET QUOTA"),
        refused=True,
        form=_with("STRICT_MODE"),
    ),
    _options(
        "METADATA",
        "Any keys and values that a collection keeps. The key `qql` holds the models.",
        [],
        "CREATE COLLECTION c (v VECTOR(8, COSINE)) WITH METADATA (owner = 'us', version = 3);",
        see=("CREATE COLLECTION",),
        form="WITH METADATA (key = value [, …])",
    ),
    _options(
        "INDEX TYPES",
        "The types of CREATE INDEX, and what each takes in WITH (…).",
        [(f"TYPE {kind}", table) for kind, table in options.INDEX_TYPES.items()],
        "CREATE INDEX ON shops FOR name TYPE text WITH (tokenizer = word, lowercase = true);",
        see=("CREATE INDEX",),
        words=tuple(kind.upper() for kind in options.INDEX_TYPES),
        form="CREATE INDEX ON collection FOR field TYPE type WITH (option = value [, …])",
    ),
)


_value = partial(Entry, "values")


_VALUES = (
    _value(
        "Names",
        "name",
        "Collections, vectors, fields and stages. No keyword is reserved. A name with other signs stands "
        "in quotes; a path is `a.b`, or `a[].b` for the elements of an array. IDENTIFIER(:name) takes a "
        "name from a parameter.",
        "COUNT FROM 'docs';",
        also=("COUNT FROM `docs`",),
        words=("IDENTIFIER", "NAME"),
    ),
    _value(
        "Texts",
        "string",
        "In single or double quotes, raw as r'…', over several lines as '''…''', verbatim in "
        "backticks. A quote inside is doubled, or written \\'.",
        "COUNT FROM docs WHERE topic = 'skin';",
        also=('COUNT FROM docs WHERE topic = "skin"', "COUNT FROM docs WHERE topic = r'skin'"),
        words=("STRING",),
    ),
    _value(
        "Numbers",
        "number",
        "Whole numbers from -2^63 to 2^64 - 1, and decimals with or without an exponent.",
        "COUNT FROM shops WHERE price = 4.5;",
        also=("COUNT FROM shops WHERE price = 0.45e1",),
    ),
    _value(
        "Arrays and objects",
        "array object",
        "As in JSON; keys need no quotes.",
        "UPDATE shops SET PAYLOAD = {tags: ['tea', 'milk']} WHERE id = 3;",
        also=('UPDATE shops SET PAYLOAD = {"tags": ["tea", "milk"]} WHERE id = 3',),
        words=("ARRAY", "JSON", "{}", "[]"),
        form="[value, …]\n{key: value, …}",
    ),
    _value(
        "UUID",
        "uuid",
        "The id of a point is an unsigned integer or a UUID. UUID('text') makes a stable one of any text.",
        "UPSERT INTO shops VALUES {id: UUID('shop-4'), vector: {small: [0, 1]}, name: 'new'};\n"
        "SELECT * FROM shops WHERE id = UUID('shop-4');",
        words=("ID OF A POINT",),
    ),
    _value(
        "Parameters",
        "param",
        "`:name` or `?` stands for a value, a vector, an id, a number of LIMIT or OFFSET, a list after "
        "IN, a payload or the rows of UPSERT. Values are put into the tree, never into text. `--param "
        "name=value` and the library give them; one statement uses one of the two forms.",
        "COUNT FROM docs WHERE topic = :topic AND year IN :years;",
        form=":name\n?",
        words=("PARAMETER", "PARAM", "?", ":"),
    ),
    _value(
        "Comments",
        "",
        "`-- …` up to the end of the line, and `/* … */`.",
        "COUNT FROM docs; -- all of them",
        form="-- comment\n/* comment */",
        also=("COUNT /* all of them */ FROM docs",),
        words=("--", "COMMENT"),
    ),
)
PARAMS = {"topic": "skin", "years": [2022, 2023]}
"""The values of the parameters of the examples."""

_LIMITS = (
    Entry(
        "limits",
        "Depth, size and number",
        "",
        "Filters, values and formulas nest 200 levels deep, prefetches 64 (Qdrant's own limit). One "
        "statement may expand to 1,024 prefetches, counted before anything is expanded. LIMIT and OFFSET "
        "go up to 4,294,967,295. A text has at most 64 MiB. Past a limit stands an error that names it.",
        "QUERY [1, 0] FROM docs USING small LIMIT 4294967295 WITH PAYLOAD false;",
        words=("LIMITS",),
    ),
)

ENTRIES: tuple[Entry, ...] = (
    *_STATEMENTS,
    *_TARGETS,
    *_CLAUSES,
    *_FILTERS,
    *_FORMULAS,
    *_OPTIONS,
    *_VALUES,
    *_LIMITS,
)

# ---------------------------------------------------------------------------------------------------- options

_DEFAULTS = {
    "rrf_k": "2",
    "mmr_diversity": "0.5",
    "mmr_candidates": "LIMIT",
    "exact": "false",
    "indexed_only": "false",
    "consistency": "1",
    "m": "16",
    "ef_construct": "100",
    "payload_m": "m",
    "max_indexing_threads": "0 (chosen by the engine)",
    "inline_storage": "false",
    "datatype": "float32",
    "always_ram": "false",
    "compression": "x4",
    "modifier": "none; idf with MODEL 'qdrant/bm25'",
    "deleted_threshold": "0.2",
    "vacuum_min_vector_number": "1000",
    "default_segment_number": "0 (by the processors)",
    "flush_interval_sec": "5",
    "shard_number": "1",
    "sharding_method": "auto",
    "replication_factor": "1",
    "write_consistency_factor": "1",
    "on_disk_payload": "true",
    "wal_capacity_mb": "32",
    "wal_segments_ahead": "0",
    "enabled": "false",
    "is_tenant": "false",
    "is_principal": "false",
    "tokenizer": "word",
    "lowercase": "true",
    "phrase_matching": "false",
    "k": "1.2",
    "b": "0.75",
}
"""Qdrant's own, where they are known and the same everywhere; ours for COUNT is exact."""
_DEFAULTS_OF = {"COUNT": {"exact": "true"}, "RELEVANCE FEEDBACK": {"b": ""}}
_TAKES = {
    "m": "0 (no graph), or a whole number from 4",
    "idf": "global, or WHERE condition",
    "acorn": "true or false, or an object with enable, max_selectivity",
    **dict.fromkeys(
        ("max_resident_memory_percent of SET QUOTA", "max_disk_usage_percent"),
        "a whole number from 1 to 100, or null",
    ),
    "release_margin_percent": "a whole number from 0 to 100, or null",
}
"""What an option takes where its check does not say all of it."""


@dataclass(frozen=True, slots=True)
class OptionLine:
    """An option: its name, what it takes, and its default ("" where it is not known)."""

    name: str
    takes: str
    default: str


def option_lines(entry: Entry, table: Table) -> list[OptionLine]:
    """The options of a table of the entry."""
    known = _DEFAULTS | _DEFAULTS_OF.get(entry.name, {})
    return [
        OptionLine(
            name,
            _TAKES.get(f"{name} of {entry.name}") or _TAKES.get(name) or _takes(check),
            known.get(name, ""),
        )
        for name, check in table.items()
    ]


def _takes(check: Check) -> str:
    """What a check says to a value that no option takes."""
    try:
        check(object())
    except ValueError as exc:
        takes = str(exc)
        for most in (f" to {2**32 - 1}", f" to {2**63 - 1}", " of at least -inf"):
            takes = takes.replace(most, "")
        return takes
    return "anything"


# ----------------------------------------------------------------------------------------------------- syntax


def syntax(entry: Entry) -> str:
    """The synopsis of an entry, and of what it names."""
    lines = entry.form.splitlines() or [line for rule in entry.rules.split() for line in synopsis(rule)]
    for rule in entry.where.split():
        lines += ["", f"where {_PLACEHOLDERS.get(rule, rule)} is"]
        lines += [f"    {line}" for line in synopsis(rule)]
    return "\n".join(lines)


_PLACEHOLDERS = {"vector_def": "vector", "ref": "reference", "alteration": "change"}
"""What synopses call a rule."""


# ---------------------------------------------------------------------------------------------------- finding


def find(words: str) -> list[Entry]:
    """The entries that words are about, whatever their case: by name, then by what else they are found by."""
    wanted = _plain(words)
    for test in (_is_named, _is_found, _begins):
        if found := [entry for entry in ENTRIES if test(entry, wanted)]:
            return found
    return []


def _plain(words: str) -> str:
    return " ".join(words.upper().replace("…", " ").rstrip(";").split())


def _is_named(entry: Entry, wanted: str) -> bool:
    # `ORDER BY target` and `VECTOR block` are found with what they share a name with.
    short = entry.name.removesuffix(" target").removesuffix(" block")
    return wanted in (_plain(entry.name), _plain(short))


def _is_found(entry: Entry, wanted: str) -> bool:
    return wanted in _known_words(entry)


def _begins(entry: Entry, wanted: str) -> bool:
    return wanted != "" and any(f" {name} ".startswith(f" {wanted} ") for name in _known_words(entry))


def _known_words(entry: Entry) -> Iterator[str]:
    yield _plain(entry.name)
    yield from (_plain(word) for word in entry.words)
    yield from (name.upper() for _, table in entry.tables for name in table)


def suggestion(words: str) -> str | None:
    """A hint for words that no entry is about, where one is close."""
    known = {word for entry in ENTRIES for word in _known_words(entry)}
    return did_you_mean(_plain(words), sorted(known))


# ------------------------------------------------------------------------------------------------------- text

_WIDTH = 100
_MOST = 3
"""Entries that are shown in full; of more of them, each is a line."""


def contents_text() -> str:
    """All entries by group."""
    lines = []
    for group, title in GROUPS.items():
        names = ", ".join(entry.name for entry in ENTRIES if entry.group == group)
        lines += [title, textwrap.fill(names, _WIDTH, initial_indent="  ", subsequent_indent="  "), ""]
    return "\n".join([*lines, "`help WORD` shows an entry; an option or a keyword is a WORD too."])


def text_about(words: str) -> str:
    """What is said of words; "" where nothing is."""
    found = find(words)
    if len(found) <= _MOST:
        return "\n\n\n".join(entry_text(entry) for entry in found)
    width = max(len(entry.name) for entry in found)
    lines = [f"{entry.name:<{width}}  {re.split(r'(?<=[.]) ', entry.text)[0]}" for entry in found]
    return "\n".join(lines)


def entry_text(entry: Entry) -> str:
    """An entry as plain text."""
    parts = [entry.name, textwrap.fill(entry.text, _WIDTH)]
    if form := syntax(entry):
        parts.append(f"Syntax\n{textwrap.indent(form, '    ')}")
    for title, table in entry.tables:
        parts.append(f"Options of {title}\n{_aligned(option_lines(entry, table))}")
    parts.append(f"Example\n{textwrap.indent(entry.example, '    ')}")
    if entry.refused:
        parts.append("The embedded engine refuses this by name: it takes a server.")
    if entry.also:
        parts.append("\n".join(["Written otherwise", *(f"    {text}" for text in entry.also)]))
    if entry.see:
        parts.append(f"See also: {', '.join(entry.see)}")
    return "\n\n".join(parts)


def _aligned(lines: list[OptionLine]) -> str:
    width = max((len(line.name) for line in lines), default=0)
    return "\n".join(
        f"    {line.name:<{width}}  {line.takes}" + (f" (default: {line.default})" if line.default else "")
        for line in lines
    )
