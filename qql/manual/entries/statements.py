"""The entries of statements."""

from __future__ import annotations

from functools import partial

from qql.compiler.options import query
from qql.manual.entry import Entry
from qql.manual.lists import DISTANCES, TEXT_FIELDS, UPDATE_MODES, listed
from qql.rest.limits import DEFAULT_LIMIT

__all__ = ["STATEMENTS"]

_statement_entry = partial(Entry, "statements")


STATEMENTS: tuple[Entry, ...] = (
    _statement_entry(
        "QUERY",
        "query",
        "Searches a collection. Clauses come in any order, each at most once. Without a target (`QUERY FROM "
        "docs WHERE …`, and in a stage `QUERY WHERE …`) it gives the points in the order of their ids, each "
        "with score 1, which can be fused and scored like any others; SCROLL walks through all of them, "
        "page by page. With PREFETCH and a target it scores what its stages found; with "
        "PREFETCH and FUSION it fuses them. WITH names stages, which PREFETCH refers to; a stage is a "
        f"query without FROM. LIMIT is {DEFAULT_LIMIT} where it is missing.",
        "WITH wide AS (QUERY 'care' USING sparse LIMIT 3)\n"
        "QUERY 'urgent care' FROM docs USING dense PREFETCH (wide) LIMIT 2;",
        where="stage",
        covers="ctes cte lone_stage",
        also=(
            "QUERY TEXT 'urgent care' FROM docs LIMIT 2 PREFETCH (QUERY 'care' USING sparse LIMIT 3) "
            "USING 'dense'",
            "SEARCH docs SIMILAR TO 'urgent care' USING dense PREFETCH (QUERY 'care' USING sparse LIMIT "
            "3) LIMIT 2",
        ),
        see=("PREFETCH", "FUSION", "EXPLAIN", "DEFINE"),
        words=("WITH", "STAGE", "CTE", "SEARCH"),
    ),
    _statement_entry(
        "QUERY … ELSE",
        "fallback",
        "Queries of which the next one is asked where the one before is weak: by `ELSE` alone, where it "
        "brings no hits; by `ELSE WHEN HITS < n`, where it brings fewer; by `ELSE WHEN BEST SCORE < s`, "
        "where its first hit scores less, or brings none. `BEST SCORE > s` is for Euclid and Manhattan, "
        "where lower scores are better; the wrong sign is an error where the metric is known. The last "
        "query answers whatever it brings. A query without FROM asks the first one's collection, and the "
        "stages of the first one's WITH are there for all. The session asks them one after another; the "
        "result says which one answered (`branch`), and a note why. EXPLAIN shows all of them, EXPLAIN "
        "ANALYZE the one that answers. `qql compile` gives the requests of all, and says when which is to"
        " be sent.",
        "QUERY 'burns' FROM docs USING dense WHERE year > 2022 LIMIT 2\n"
        "ELSE WHEN HITS < 2 OR BEST SCORE < 0.2 QUERY 'burns' USING sparse LIMIT 2;",
        form="QUERY … ELSE [WHEN HITS < n [OR BEST SCORE < s]] QUERY … [ELSE …]",
        covers="else_branch _weakness few_hits poor_score",
        see=("QUERY", "SCORE THRESHOLD", "EXPLAIN"),
        words=("ELSE", "WHEN", "HITS", "BEST", "FALLBACK"),
    ),
    _statement_entry(
        "SEARCH",
        "search",
        "The first dialect's form of QUERY 'text' FROM collection.",
        "SEARCH docs SIMILAR TO 'burns' USING dense LIMIT 1;",
        also=("QUERY 'burns' FROM docs USING dense LIMIT 1",),
        see=("QUERY",),
        words=("SIMILAR",),
    ),
    _statement_entry(
        "RECOMMEND FROM",
        "recommend_from",
        "The first dialect's form of QUERY RECOMMEND … FROM collection.",
        "RECOMMEND FROM docs POSITIVE (1) NEGATIVE (2) USING small LIMIT 1;",
        also=("QUERY RECOMMEND POSITIVE (1) NEGATIVE (2) FROM docs USING small LIMIT 1",),
        see=("RECOMMEND",),
    ),
    _statement_entry(
        "SELECT",
        "select",
        "Fetches points by their ids: WHERE takes `id = 1` or `id IN (1, 2)` and nothing else.",
        "SELECT * FROM docs WHERE id IN (1, 4);",
        also=("QUERY POINTS (1, 4) FROM docs",),
        see=("POINTS", "SCROLL"),
    ),
    _statement_entry(
        "COUNT",
        "count",
        "Counts the points that satisfy a condition. The count is exact; PARAMS (exact = false) lets a "
        "server estimate.",
        "COUNT FROM docs WHERE topic = 'skin';",
        tables=(("PARAMS", query.COUNT_OPTIONS),),
        also=("COUNT WHERE topic = 'skin' FROM docs",),
        see=("FACET",),
    ),
    _statement_entry(
        "SCROLL",
        "scroll",
        "Walks through a collection in the order of ids, or of a field with an index. The result says in "
        "`next` what AFTER takes for the page behind it, and null on the last page.",
        "SCROLL FROM docs WHERE year >= 2023 LIMIT 2;",
        see=("AFTER", "ORDER BY"),
    ),
    _statement_entry(
        "FACET",
        "facet",
        "Counts the points for each value of a field, the most frequent first. The field requires an index.",
        "FACET topic FROM docs WHERE year = 2024 OR topic = 'skin' LIMIT 1;",
        tables=(("PARAMS", query.FACET_OPTIONS),),
        also=("FACET FROM docs KEY topic WHERE year = 2024 OR topic = 'skin' LIMIT 1",),
        see=("COUNT", "CREATE INDEX"),
    ),
    _statement_entry(
        "MATRIX",
        "matrix",
        "Draws points at random, and says for each which others of them are nearest, with their scores: what "
        "clusters and graphs are drawn from. LIMIT is for each point, 3 without it.",
        "MATRIX FROM docs USING dense WHERE year >= 2023 PARAMS (sample = 100) LIMIT 1;",
        tables=(("PARAMS", query.MATRIX_OPTIONS),),
        see=("SAMPLE",),
    ),
    _statement_entry(
        "UPSERT",
        "upsert",
        "Writes points, and replaces those with the same id. A row is an object: `id`, `vector` (a "
        "vector, or an object of vectors by name), and the fields of the payload. A key named like a "
        "vector of the collection is that vector where its value is one (what is almost one is an "
        "error), and payload otherwise. `payload: {…}` is the whole payload, whatever its fields are "
        "called: `id`, `vector`, `payload`, or like a vector. Vectors with a model "
        "that a row does not give are made of its first field of "
        f"{', '.join(TEXT_FIELDS)}; USING and EMBED name other models and fields. A warning counts the "
        "rows that end without a vector of the collection; `vector: {name: null}` means it. INSERT "
        f"needs no id. UPDATE MODE is {listed(UPDATE_MODES, 'or')}; UPDATE FILTER leaves points "
        "alone that do not satisfy it.",
        "UPSERT INTO docs VALUES\n"
        "  {id: 5, text: 'Sleep and the heart', year: 2025, small: [1, 0], tokens: [[1, 0], [0, 1]]},\n"
        "  {id: 6, vector: {small: [0, 1], tokens: null}, payload: {id: 'A-6', text: 'Sleep and skin'}};\n"
        "QUERY 'sleep and the heart' FROM docs USING sparse LIMIT 1;",
        where="embedding",
        covers="upsert_clause embeds embed mode update_filter hybrid_embedding hybrid_side",
        see=("COPY", "UPDATE", "UUID"),
        words=("INSERT", "EMBED", "UPDATE MODE", "UPDATE FILTER", "VALUES"),
    ),
    _statement_entry(
        "UPDATE",
        "update",
        "Changes the payload or the vectors of points. SET PAYLOAD merges fields into the payload; with "
        "OVERWRITE it replaces the payload, with KEY it works on an object inside it. SET VECTOR "
        "replaces vectors of the point that WHERE names by id, and leaves the others; VALUES takes a row "
        "`{id: …, vector: …}` for each point, or with keys named like the vectors. An id that does not "
        "exist is an error of SET VECTOR; SET PAYLOAD changes nothing then. How many points there were is "
        "said as by DELETE.",
        "UPDATE docs SET PAYLOAD = {year: 2026} WHERE topic = 'heart';\nSELECT * FROM docs WHERE id = 1;",
        covers="assignment set_payload set_vector set_vectors write_clause",
        see=("UPSERT", "DELETE PAYLOAD", "OVERWRITE", "KEY"),
        words=("SET PAYLOAD", "SET VECTOR"),
    ),
    _statement_entry(
        "DELETE",
        "delete",
        "Removes points. WHERE is required: `id = 1`, `id IN (…)`, or any condition. How many there were is "
        "counted before and said: at the command line always, in the library with `count=True`, and not in a "
        "BATCH, where one statement changes what the next one finds.",
        "DELETE FROM docs WHERE year < 2023;\nCOUNT FROM docs;",
        see=("DROP COLLECTION", "DELETE PAYLOAD", "DELETE VECTOR"),
    ),
    _statement_entry(
        "DELETE PAYLOAD",
        "delete_payload",
        "Removes fields of points.",
        "DELETE PAYLOAD year, topic FROM docs WHERE id = 1;\nSELECT * FROM docs WHERE id = 1;",
        see=("CLEAR PAYLOAD", "UPDATE"),
    ),
    _statement_entry(
        "DELETE VECTOR",
        "delete_vector",
        "Removes vectors of points; the points stay.",
        "DELETE VECTOR small FROM docs WHERE id = 1;\nCOUNT FROM docs WHERE HAS_VECTOR small;",
        see=("ALTER COLLECTION", "HAS_VECTOR"),
    ),
    _statement_entry(
        "CLEAR PAYLOAD",
        "clear_payload",
        "Removes all fields of points.",
        "CLEAR PAYLOAD FROM docs WHERE id = 1;\nSELECT * FROM docs WHERE id = 1;",
        see=("DELETE PAYLOAD",),
    ),
    _statement_entry(
        "BATCH",
        "batch",
        "Sends several statements in one request: all of them queries, or all of them changes, of one "
        "collection. What changes find is not counted. A batch of CREATE, ALTER and DROP ALIAS makes all of "
        "its changes at one stroke: nobody finds an alias missing while it moves to another collection.",
        "BATCH {\n  QUERY 'burns' FROM docs USING dense LIMIT 1;\n  QUERY 'pain' FROM docs USING sparse "
        "LIMIT 1;\n"
        "};",
        see=("WAIT",),
    ),
    _statement_entry(
        "CREATE COLLECTION",
        "create_collection",
        "Makes a collection. Each vector has a name and a kind; `CREATE COLLECTION docs VECTOR(384, COSINE)` "
        "makes one without a name. Size and distance may be left out where "
        "the model is known; well-known models have short names (`all-MiniLM-L6-v2`). The model is kept in "
        "the collection's metadata, and has to run here unless the server embeds texts. HYBRID without a "
        "model makes `dense` of `sentence-transformers/all-MiniLM-L6-v2` (384 dimensions) and `sparse` of "
        "`qdrant/bm25`; --model or QQL_MODEL names another. Blocks behind a vector are for that vector, "
        "those at the end for the collection.",
        "CREATE COLLECTION IF NOT EXISTS photos (\n"
        "  full  VECTOR(512, COSINE) WITH HNSW (m = 32) WITH QUANTIZATION (type = scalar),\n"
        "  words SPARSE MODEL 'qdrant/bm25'\n"
        ") WITH OPTIMIZERS (indexing_threshold = 20000);",
        where="vector_def block",
        covers="collection_part vector_defs unnamed_def if_not_exists shape distance preset quantize",
        see=("ALTER COLLECTION", "HNSW", "QUANTIZATION", "MULTIVECTOR", "METADATA"),
        words=("SPARSE", "DISTANCE", *DISTANCES, "QUANTIZE"),
    ),
    _statement_entry(
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
    _statement_entry(
        "DROP COLLECTION",
        "drop_collection",
        "Removes a collection with all its points.",
        "DROP COLLECTION IF EXISTS shops;\nSHOW COLLECTIONS;",
        covers="if_exists",
        see=("CREATE COLLECTION", "DELETE"),
    ),
    _statement_entry("SHOW COLLECTIONS", "show_collections", "Lists the collections.", "SHOW COLLECTIONS;"),
    _statement_entry(
        "SHOW COLLECTION",
        "show_collection",
        "Describes a collection: its points, its vectors, its indexes.",
        "SHOW COLLECTION shops;",
        see=("SHOW INDEXES",),
    ),
    _statement_entry(
        "EXISTS COLLECTION",
        "exists_collection",
        "Says whether there is a collection of this name, or an alias.",
        "EXISTS COLLECTION shops;",
        see=("SHOW COLLECTIONS",),
    ),
    _statement_entry(
        "CREATE INDEX",
        "create_index",
        "Makes an index of a payload field. The type is keyword where none is given. Filters are fast "
        "with an index; FACET, ORDER BY and MATCH … ON require one. It is best made before points are "
        "loaded.",
        "CREATE INDEX IF NOT EXISTS ON shops FOR price TYPE float;",
        also=("CREATE INDEX IF NOT EXISTS ON COLLECTION shops FOR price TYPE float",),
        see=("INDEX TYPES", "DROP INDEX", "SHOW INDEXES"),
    ),
    _statement_entry(
        "DROP INDEX",
        "drop_index",
        "Removes an index of a payload field.",
        "DROP INDEX ON docs FOR year;",
        see=("CREATE INDEX",),
    ),
    _statement_entry(
        "SHOW INDEXES",
        "show_indexes",
        "Lists the indexes of a collection.",
        "SHOW INDEXES ON docs;",
        also=("SHOW INDEXES FROM docs",),
        see=("CREATE INDEX",),
    ),
    _statement_entry(
        "CREATE ALIAS",
        "create_alias",
        "Gives a collection a second name. OR REPLACE moves an alias that exists to this collection, in "
        "one step.",
        "CREATE OR REPLACE ALIAS current FOR docs;\nCOUNT FROM current;",
        see=("ALTER ALIAS", "DROP ALIAS", "SHOW ALIASES"),
    ),
    _statement_entry(
        "DROP ALIAS",
        "drop_alias",
        "Removes an alias; the collection stays.",
        "CREATE ALIAS current FOR docs;\nDROP ALIAS current;",
        see=("CREATE ALIAS",),
    ),
    _statement_entry(
        "ALTER ALIAS",
        "rename_alias",
        "Renames an alias.",
        "CREATE ALIAS current FOR docs;\nALTER ALIAS current RENAME TO latest;",
        see=("CREATE ALIAS",),
        words=("RENAME",),
    ),
    _statement_entry(
        "SHOW ALIASES",
        "show_aliases",
        "Lists the aliases, or those of one collection.",
        "CREATE ALIAS current FOR docs;\nSHOW ALIASES ON docs;",
        see=("CREATE ALIAS",),
    ),
    _statement_entry(
        "CREATE SNAPSHOT",
        "create_snapshot",
        "Saves a collection as it is now; the engine names the snapshot.",
        "CREATE SNAPSHOT ON docs;",
        see=("RESTORE SNAPSHOT", "SHOW SNAPSHOTS", "DUMP"),
        varies=True,
    ),
    _statement_entry(
        "DROP SNAPSHOT",
        "drop_snapshot",
        "Removes a snapshot.",
        "DROP SNAPSHOT IF EXISTS 'old.snapshot' ON docs;",
        see=("SHOW SNAPSHOTS",),
    ),
    _statement_entry(
        "RESTORE SNAPSHOT",
        "restore_snapshot",
        "Puts a collection back to what a snapshot holds, or makes it. The embedded engine takes the name of "
        "a snapshot of the collection ('docs-….snapshot', as CREATE SNAPSHOT gives it), a path "
        "('backup/docs.snapshot') or a file:/// address; a server takes file:/// addresses on its own disk, "
        "http(s):// ones, as here, and the name of a snapshot that it has: that is downloaded and uploaded "
        "at once, over REST. In a cluster each node has the snapshots that were made on it.",
        "RESTORE SNAPSHOT 'https://example.org/docs.snapshot' ON docs WITH (priority = snapshot);",
        tables=(("WITH", query.SNAPSHOT_OPTIONS),),
        see=("CREATE SNAPSHOT",),
        refused=True,
    ),
    _statement_entry(
        "SHOW SNAPSHOTS",
        "show_snapshots",
        "Lists the snapshots of a collection.",
        "CREATE SNAPSHOT ON docs;\nSHOW SNAPSHOTS ON docs;",
        see=("CREATE SNAPSHOT",),
        varies=True,
    ),
    _statement_entry(
        "CREATE SHARD KEY",
        "create_shard_key",
        "Makes a shard of its own for a key, in a collection with PARAMS (sharding_method = custom).",
        "CREATE SHARD KEY 'eu' ON docs WITH (shards_number = 2);",
        tables=(("WITH", query.SHARD_KEY_OPTIONS),),
        see=("SHARD", "SHOW SHARD KEYS"),
        refused=True,
    ),
    _statement_entry(
        "DROP SHARD KEY",
        "drop_shard_key",
        "Removes the shards of a key with their points.",
        "DROP SHARD KEY 'eu' ON docs;",
        see=("CREATE SHARD KEY",),
        refused=True,
    ),
    _statement_entry(
        "SHOW SHARD KEYS",
        "show_shard_keys",
        "Lists the shard keys of a collection.",
        "SHOW SHARD KEYS ON docs;",
        see=("CREATE SHARD KEY",),
        refused=True,
    ),
    _statement_entry(
        "SET QUOTA",
        "set_quota",
        "Sets how much memory and disk a server may fill before it refuses writes. `null` ends a limit. What "
        "is not named stays as it is: a server takes all quotas at once, so a session reads them first and "
        "sends them along.",
        "SET QUOTA (enabled = true, max_disk_usage_percent = 90);",
        tables=(("SET QUOTA", query.QUOTA_OPTIONS),),
        see=("SHOW QUOTAS",),
        refused=True,
    ),
    _statement_entry(
        "SHOW QUOTAS",
        "show_quotas",
        "Shows the limits that SET QUOTA has set.",
        "SHOW QUOTAS;",
        see=("SET QUOTA",),
        refused=True,
    ),
    _statement_entry(
        "SHOW OPTIMIZATIONS",
        "show_optimizations",
        "Shows what a server's optimizers do: those that run with the step that they are at, the queue, "
        "those that are done with their seconds, and the segments that need none.",
        "SHOW OPTIMIZATIONS ON docs;",
        see=("OPTIMIZE", "SHOW COLLECTION"),
        refused=True,
    ),
    _statement_entry(
        "SHOW MEMORY",
        "show_memory",
        "Shows how many bytes each part of a collection takes of a server: on disk, in RAM that stays, in "
        "the page cache, and how many would be worth caching. Servers estimate them.",
        "SHOW MEMORY ON docs;",
        see=("SHOW COLLECTION",),
        refused=True,
    ),
    _statement_entry(
        "COPY",
        "copy",
        "Loads the rows of a file of JSON, CSV, TSV (also compressed: .gz, .xz, .bz2), Parquet or NumPy "
        "into a collection. The columns `id` and `vector` are the point's, one that is named like a vector "
        "is that vector where its value is one, an object `payload` is the payload, all else is payload; "
        "MAP says otherwise. Without ON ERROR SKIP the file is checked first, and nothing is written if a "
        "row is bad. The base64 of a dense vector's 32-bit floats (little-endian) is that vector, unless it "
        "has a model. A column that MAP names and no row has is an error; of a pipe, which is read once and "
        "needs ON ERROR SKIP, a warning at the end. Rows are written in batches of 256, or of as many as "
        "BATCH says, and of at most 30 MB; one that a server finds too large is halved, and with ON ERROR "
        "SKIP so is one that it refuses, down to the rows at fault. SHARD sends all rows to a shard key, "
        "MAP (shard_key = column) each to its own. If the connection is lost, the error says how many rows "
        "were written before. A row keeps its id, or has the UUID of its content, so that to run COPY again "
        "is harmless.",
        "CREATE COLLECTION notes (sparse SPARSE MODEL 'qdrant/bm25');\n"
        "COPY notes FROM 'corpus.jsonl'\n"
        "MAP (id = UUID(key), text = title || ' ' || body, payload = (title, number)) BATCH 500;",
        covers="copy_option copy_format copy_batch copy_on_error",
        see=("MAP", "COLUMNS", "SHARD", "UPSERT", "DUMP"),
        words=("FORMAT", "ON ERROR", "LOAD"),
    ),
    _statement_entry(
        "COPY … TO",
        "copy_to",
        "Writes the hits or rows of a query, SCROLL, COUNT, FACET, MATRIX or SHOW into a file, as its name "
        "or FORMAT says: a JSON object a line (.jsonl), CSV with a header (the columns of `to_pandas`; lists "
        "and objects are JSON), or Parquet (with pyarrow). With .gz, .xz or .bz2 behind it, it is "
        "compressed. A SCROLL without LIMIT gives all points. The file appears whole; one that is there "
        "already is an error, unless OVERWRITE replaces it.",
        "COPY (SCROLL FROM docs) TO 'docs.csv';",
        covers="copy_to_option",
        see=("COPY", "DUMP", "OVERWRITE"),
        words=("EXPORT",),
    ),
    _statement_entry(
        "OPTIMIZE",
        "optimize",
        "Builds the indexes of a collection, and waits until they are there. The embedded engine does it at "
        "once; a server does it by itself, so that OPTIMIZE sets its optimizers off where they wait (as "
        "after a restart), waits until they are idle, and says how many vectors are indexed. Ctrl-C and "
        "`timeout` (in seconds) end the waiting; a server goes on.",
        "OPTIMIZE docs WITH (timeout = 600);",
        tables=(("WITH", query.OPTIMIZE_OPTIONS),),
        see=("OPTIMIZERS",),
    ),
    _statement_entry(
        "EXECUTE",
        "execute",
        "Carries out the statements of a file, which may be compressed, or a dump.",
        "EXECUTE 'queries.qql';",
        see=("DUMP",),
    ),
    _statement_entry(
        "DUMP",
        "dump",
        "Writes a file that makes a collection again, with its points, its shard keys and its aliases: "
        "EXECUTE or `qql restore` carries it out. Its name says what it is: a script; with .jsonl a line for "
        "each point, with .parquet (and pyarrow) columns, of which COPY loads the points alone. With .gz, "
        ".xz or .bz2 behind it, it is compressed. Vectors come back bit for bit. A "
        "file that is there already is an error; OVERWRITE replaces it, in one step, when the whole file "
        "is written. From a collection in strict mode, as many points are fetched at a time as it allows.",
        "DUMP shops TO 'shops.qql';",
        see=("EXECUTE", "CREATE SNAPSHOT", "OVERWRITE"),
        also=("DUMP shops 'shops.qql'", "DUMP COLLECTION shops 'shops.qql'"),
    ),
    _statement_entry(
        "USE",
        "use",
        "Names the collection of the statements that follow and name none.",
        "USE docs;\nCOUNT;",
        see=("DEFINE",),
    ),
    _statement_entry(
        "DEFINE",
        "define",
        "Defines a stage for the rest of the session or script; PREFETCH refers to it by name.",
        "DEFINE meaning AS (QUERY 'emergency' USING dense LIMIT 3);\n"
        "DEFINE words AS (QUERY 'care' USING sparse LIMIT 3);\n"
        "FUSION RRF FROM docs PREFETCH (meaning, words) LIMIT 2;",
        see=("UNDEFINE", "SHOW STAGES", "PREFETCH"),
    ),
    _statement_entry(
        "UNDEFINE",
        "undefine",
        "Forgets a stage that DEFINE has defined.",
        "DEFINE words AS (QUERY 'care' USING sparse);\nUNDEFINE words;",
        see=("DEFINE",),
    ),
    _statement_entry(
        "SHOW STAGES",
        "show_stages",
        "Lists the stages that DEFINE has defined.",
        "DEFINE words AS (QUERY 'care' USING sparse LIMIT 3);\nSHOW STAGES;",
        see=("DEFINE",),
    ),
    _statement_entry(
        "SHOW MODELS",
        "show_models",
        "Lists the models that texts can be embedded with, and rerankers: what a session was given, what is "
        "built in, and those of fastembed, with their dimensions, the size of their files, their licence, "
        "and whether the files are on this machine. Models behind servers are not listed.",
        "SHOW MODELS;",
        varies=True,
        see=("CREATE COLLECTION", "RERANK"),
    ),
    _statement_entry(
        "ANALYZE TEXT",
        "analyze_text",
        "Shows the tokens that a text index, or BM25 for a sparse vector, makes of a text: which of its "
        "words each comes from, whether documents and queries have it (of BM25, with which weight), and why "
        "a word is dropped. The tokenizer of the engine inside of QQL does it; servers have the same. "
        "Of tokenizer = multilingual it is not known.",
        "CREATE INDEX ON docs FOR title TYPE text WITH (stopwords = 'english');\n"
        "ANALYZE TEXT 'The care of hearts' ON title FROM docs;",
        see=("CREATE INDEX", "MATCH"),
    ),
    _statement_entry(
        "EXPLAIN",
        "explain",
        "Shows the plan of a statement and its request, and sends nothing. ANALYZE carries a query out, and "
        "each of its stages: what each brought, in which time, whether its LIMIT cut a tie, and what became "
        "of it. RUNS repeats it for the times, ABLATE leaves each stage out in turn. FORMAT json is for "
        "programs, FORMAT html a page with a picture of the stages and what flows between them.",
        "EXPLAIN QUERY 'burns' FROM docs USING dense PREFETCH (QUERY 'burns' USING sparse LIMIT 3) LIMIT 1;",
        covers="explain_option analyze runs ablate",
        see=("QUERY", "WHY", "WITH PROVENANCE"),
        words=("ANALYZE", "RUNS", "ABLATE"),
    ),
    _statement_entry(
        "WHY",
        "why",
        "Follows one point through a query: where it stood in every stage, which condition of which filter "
        "it fails, or which limit or threshold cuts it off and at which rank it would have stood. Of one "
        "point, the score in a stage is divided into what terms of a sparse vector or a text give, and pairs "
        "of multivectors, each as the engine scores it alone. Of a point that is no hit it says what makes "
        "it one, in as few changes as it takes, a clause or a condition, "
        "or a number (k and weights of a fusion, the fusion itself, a factor of a formula, DIVERSITY, "
        "hnsw_ef): changed queries are run (40 at most, and 8 with other numbers), and what is told was "
        "tried. Of as many changes, those go first by which the fewest other points enter or leave the hits, "
        "then those that take the fewest candidates more, then those that change a number least; a dropped "
        "condition goes last. "
        "WHERE in place of an id is about the points that satisfy a condition, LIMIT behind it about so many "
        "of them (5 without it): those first that the query puts first; WHY NOT WHERE leaves out the hits. "
        "Otherwise, WHY and WHY NOT ask the same. FORMAT json is for programs: the changes one by one, whom "
        "they push out, the changed query, and how often the engine was called.",
        "WHY NOT 1 QUERY 'burns' FROM docs USING dense WHERE year = 2024 LIMIT 2;\n"
        "WHY NOT WHERE topic = 'skin' QUERY 'surgery' FROM docs USING sparse LIMIT 1;",
        covers="why_option",
        see=("EXPLAIN", "WITH PROVENANCE"),
        words=("WHY NOT",),
    ),
)
