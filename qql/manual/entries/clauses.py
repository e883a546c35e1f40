"""The entries of clauses."""

from __future__ import annotations

from functools import partial

from qql.manual.entry import Entry
from qql.manual.examples import NEAR_STAGE, ONLY_NAMES, TWO_STAGES
from qql.manual.lists import FEEDBACK_STRATEGIES, FUSIONS, RECOMMEND_STRATEGIES, described, keywords
from qql.rest.limits import DEFAULT_LIMIT

__all__ = ["CLAUSES"]

_clause_entry = partial(Entry, "clauses")


CLAUSES: tuple[Entry, ...] = (
    _clause_entry(
        "FROM",
        "source",
        "The collection. After USE it may be left out.",
        "COUNT FROM docs;",
        also=("COUNT FROM COLLECTION docs",),
        see=("USE",),
    ),
    _clause_entry(
        "USING",
        "using",
        "The vector to search. It may be left out where one vector only fits the target. AS says of "
        "which kind it is, where no collection is at hand to tell.",
        "QUERY 'burns' FROM docs USING sparse LIMIT 1;",
        covers="using_parts using_role using_part with_model with_vector",
        also=("QUERY 'burns' FROM docs USING VECTOR sparse LIMIT 1",),
        see=("HYBRID", "CREATE COLLECTION"),
    ),
    _clause_entry(
        "WHERE",
        "where",
        "Which points take part. A stage's condition and that of its reference both hold.",
        "QUERY 'care' FROM docs USING dense WHERE topic = 'skin' AND NOT year < 2023 LIMIT 3;",
        see=("Comparison", "AND", "MATCH"),
    ),
    _clause_entry(
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
    _clause_entry(
        "FUSION",
        "fusion",
        f"Fuses the stages: {described(FUSIONS)}. The target of such a query is not searched again.",
        f"QUERY FUSION RRF FROM docs {TWO_STAGES} WITH (rrf_k = 20) LIMIT 2;",
        also=(
            f"FUSION RRF FROM docs {TWO_STAGES} PARAMS (rrf_k = 20) LIMIT 2",
            f"QUERY FROM docs {TWO_STAGES} FUSION RRF WITH (rrf_k = 20) LIMIT 2",
        ),
        see=("FUSION OPTIONS", "LINEAR", "PREFETCH", "HYBRID"),
        words=tuple(FUSIONS),
    ),
    Entry(
        "clauses",
        "LINEAR",
        "",
        "FUSION LINEAR adds up the scores of the stages, weighed, and brought to one scale by a "
        "normalizer. minmax (where none is given): the best candidate of a stage counts 1, the last 0, "
        "and so does one that the stage lacks; where all scores are equal, each counts 1. zscore: by how "
        "many standard deviations a score is above the mean of its stage; a candidate that the stage "
        "lacks counts as its last one. sigmoid: 1 / (1 + exp(-score)), 0 for what a stage lacks. none: "
        "scores as they are. Distances are turned round, as far as the collection is known; none refuses "
        "them. weights multiply what a stage gives. sigmoid and none are one request, a FORMULA over the "
        "scores of the stages. What minmax and zscore go by, no request knows before its stages have "
        "answered: a session asks them first, as one batch, and sends one FORMULA with these figures, so "
        "the query is one that `qql compile` refuses. With several shards, each shard adds candidates of "
        "its own to a stage, which may lie below its last.",
        f"QUERY FUSION LINEAR FROM docs {TWO_STAGES} "
        "WITH (normalizer = sigmoid, weights = [0.7, 0.3]) LIMIT 2;\n"
        f"QUERY FUSION LINEAR FROM docs {TWO_STAGES} SCORE THRESHOLD 0.5 LIMIT 2;",
        form="FUSION LINEAR [WITH (normalizer = minmax | zscore | sigmoid | none, weights = [number, …])]",
        see=("FUSION", "FUSION OPTIONS", "FORMULA"),
        words=("MINMAX", "ZSCORE", "SIGMOID", "NORMALIZER"),
    ),
    _clause_entry(
        "BOOST",
        "boost",
        "Scores what the query found by an expression; `$score` is the query's own score.",
        "QUERY [1, 0] FROM shops USING small BOOST $score + 0.1 * price WITH PAYLOAD (name) LIMIT 2;",
        see=("FORMULA", "DEFAULTS"),
    ),
    _clause_entry(
        "DEFAULTS",
        "defaults",
        "Values for the fields of a formula that a point lacks. Without one, a single candidate that lacks "
        "the field fails the query; a text or a list in its place does so in any case.",
        f"QUERY FORMULA $score + stars DEFAULTS (stars = 3) FROM shops {NEAR_STAGE} {ONLY_NAMES} LIMIT 2;",
        see=("FORMULA",),
    ),
    _clause_entry(
        "RERANK",
        "rerank",
        "Puts the hits in the order of a cross-encoder, which reads their text: that of the field, or of "
        "the first field that usually has it; WITH PAYLOAD need not have that field. LIMIT is the number of "
        "candidates, TOP that of the hits. The session does it, so SCORE THRESHOLD is about the search. "
        "Models: local/overlap (shared words, no files), cohere/…, jina/…, voyage/…, tei/… and addresses; "
        "any other name is fastembed's.",
        "QUERY 'urgent care' FROM docs USING dense RERANK MODEL 'local/overlap' ON text TOP 2 LIMIT 4;",
        see=("CROSS RERANK", "RERANK target"),
        words=("TOP",),
    ),
    _clause_entry(
        "STRATEGY",
        "strategy",
        "How RECOMMEND and RELEVANCE FEEDBACK use their examples.",
        "QUERY RECOMMEND POSITIVE (1, 3) STRATEGY sum_scores FROM docs USING small LIMIT 1;",
        see=("RECOMMEND", "RELEVANCE FEEDBACK"),
        words=keywords(*RECOMMEND_STRATEGIES, *FEEDBACK_STRATEGIES),
    ),
    _clause_entry(
        "SCORE THRESHOLD",
        "threshold",
        "Leaves out hits with a worse score. In a stage it cuts that stage's scores. ORDER BY and a query "
        "without a target have no scores, and it is an error there.",
        "QUERY [1, 0] FROM docs USING small SCORE THRESHOLD 0.5;",
        see=("PREFETCH",),
    ),
    _clause_entry(
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
    _clause_entry(
        "GROUP BY",
        "group group_size group_lookup",
        "The best hits for each value of a field; LIMIT counts groups, SIZE the hits of one. LOOKUP FROM "
        "adds a point of another collection to each group, by its id. Servers run a grouped query with the "
        "limits of all its prefetches multiplied by SIZE, so what is fused or rescored differs, and so do "
        "scores and order; FUSE FIRST puts the hits that the query has without GROUP BY into groups: the "
        "session asks for all of them by one request, and fetches what is shown by their ids.",
        "QUERY 'care' FROM docs USING dense GROUP BY topic SIZE 1 LIMIT 2;",
        also=("QUERY 'care' FROM docs USING dense GROUP BY 'topic' GROUP_SIZE 1 LIMIT 2",),
        see=("FACET",),
        words=("GROUP_SIZE", "WITH LOOKUP", "FUSE FIRST"),
    ),
    _clause_entry(
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
    _clause_entry(
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
    _clause_entry(
        "WITH VECTOR",
        "vectors",
        "The vectors that hits carry: none where nothing is said.",
        "QUERY [1, 0] FROM docs USING small WITH PAYLOAD false WITH VECTOR (small) LIMIT 1;",
        where="selection",
        also=("QUERY [1, 0] FROM docs USING small WITH PAYLOAD false WITH VECTORS (small) LIMIT 1",),
    ),
    _clause_entry(
        "WITH MODEL",
        "with_model_clause",
        "The model of the target's text, behind it.",
        "QUERY 'burns' FROM docs USING dense WITH MODEL 'local/hash-64' LIMIT 1;",
        also=("QUERY 'burns' MODEL 'local/hash-64' FROM docs USING dense LIMIT 1",),
        see=("TEXT",),
    ),
    _clause_entry(
        "LOOKUP FROM",
        "lookup",
        "Takes the vectors of POINT and of examples from another collection.",
        "QUERY POINT 3 FROM docs USING small LOOKUP FROM shops VECTOR small LIMIT 1;",
        see=("POINT", "RECOMMEND", "GROUP BY"),
    ),
    _clause_entry(
        "IGNORE MISSING",
        "ignore_missing",
        "Examples that do not exist are left out, instead of being an error (or, on servers before 1.19, "
        "dropped without a word). The session looks for the points that the query or stage names, asks each "
        "collection once, and says which were missing. A pair of CONTEXT needs both of its points. Where too "
        "few are left to search by, the error is `unknown-point`, as without it.",
        "QUERY RECOMMEND POSITIVE (1, 99) IGNORE MISSING FROM docs USING small LIMIT 1;",
        see=("RECOMMEND", "CONTEXT", "DISCOVER", "POINT"),
        words=("IGNORE", "MISSING"),
    ),
    _clause_entry(
        "SHARD",
        "shard",
        "The shard keys that a statement works on, in a collection with sharding of its own. FALLBACK is "
        "the key for points whose key has no shard yet. In COPY, MAP (shard_key = column) gives each row its "
        "own.",
        "COUNT FROM docs SHARD 'eu';",
        see=("CREATE SHARD KEY", "COPY"),
        words=("FALLBACK",),
        refused=True,
    ),
    _clause_entry(
        "LIMIT",
        "limit",
        f"How many hits, points or groups there are at most; {DEFAULT_LIMIT} where it is missing.",
        "SCROLL FROM docs LIMIT 1;",
        see=("OFFSET",),
    ),
    _clause_entry(
        "OFFSET",
        "offset",
        "How many hits are skipped. A stage has none.",
        "QUERY [1, 0] FROM docs USING small LIMIT 1 OFFSET 1;",
        see=("LIMIT", "AFTER"),
    ),
    _clause_entry(
        "AFTER",
        "after",
        "Where a page of SCROLL begins: behind the point of this id, or, with ORDER BY, behind the place of "
        "a cursor. Both are what the page before gave as `next`; NULL is the first page. (Qdrant's own "
        "`next_page_offset` is the first id of the next page, which AFTER would leave out.) The statement "
        "stays the same from page to page, but for LIMIT. Each point that is not changed meanwhile comes "
        "exactly once, also where it has several values or others have the same one.",
        "SCROLL FROM docs AFTER 2 LIMIT 1;",
        see=("SCROLL", "ORDER BY"),
    ),
    _clause_entry(
        "ORDER BY",
        "order_by",
        "SCROLL goes by a field, which requires an index of numbers or dates. Points without a value in it "
        "are absent; a warning says how many. Without ORDER BY, points come in the order of their ids.",
        "SCROLL FROM docs ORDER BY year ASC LIMIT 1;",
        see=("ORDER BY target",),
    ),
    _clause_entry(
        "OVERWRITE",
        "overwrite",
        "UPDATE … SET PAYLOAD replaces the payload, and merges nothing. DUMP replaces a file that is there.",
        "UPDATE docs SET PAYLOAD = {year: 2026} OVERWRITE WHERE id = 1;\nSELECT * FROM docs WHERE id = 1;",
        see=("UPDATE", "DUMP"),
    ),
    _clause_entry(
        "KEY",
        "key",
        "UPDATE … SET PAYLOAD works on the object at this path.",
        "UPDATE shops SET PAYLOAD = {lat: 1.5} KEY place WHERE id = 1;\n"
        "QUERY POINTS (1) FROM shops WITH PAYLOAD (place);",
        see=("UPDATE",),
    ),
    _clause_entry(
        "WAIT",
        "wait",
        "A change is waited for until it can be seen; WAIT false only until it is accepted.",
        "DELETE FROM docs WHERE id = 1 WAIT true;",
        see=("UPSERT",),
    ),
    _clause_entry(
        "MAP",
        "",
        "Says in COPY what a column becomes. `text = body` renames it and leaves all others as they are; a "
        "vector is named like a field. `text = title || ' ' || text` joins columns and texts: what a row "
        "lacks (or has as null, or empty) is left out with the text in front of it, the first with the "
        "text behind it; a column whose name needs quotes has backticks there. `text = row.text` goes into "
        "an object, unless a column has the dot in its name. `payload = (a, b)` keeps these columns only, "
        "`payload = column` takes an object for the whole payload; a warning names what is left out. "
        "`id = INT(key)` makes an integer of a text of digits, `id = UUID(key)` a stable id of any text. "
        "`v = NPY('file.npy')` brings the vectors `v` from a file beside the rows. `shard_key = tenant` "
        "writes each row to the shard key that its column has, and the column stays in the payload.",
        "CREATE COLLECTION notes (sparse SPARSE MODEL 'qdrant/bm25');\n"
        "COPY notes FROM 'corpus.jsonl' MAP (id = INT(number), text = title || '. ' || body);\n"
        "SELECT * FROM notes WHERE id = 17;",
        where="mapping",
        covers="map copy_map joined joined_part joined_text vector_file integer_mapping",
        form="COPY … MAP (mapping [, …])",
        see=("COPY", "UUID"),
        words=("INT", "NPY"),
    ),
    _clause_entry(
        "COLUMNS",
        "",
        "Names the columns of a CSV or TSV file in COPY, and their types: TEXT, INTEGER, FLOAT, BOOL or "
        "JSON; a column without one has the type that its cells have. Where all of the names stand in the "
        "first line, that is the header, and COLUMNS may name a part of it; otherwise the file has no "
        "header, and COLUMNS names every column. HEADER true or false says it outright. DELIMITER is the "
        "character between cells, such as ';' or '\\t'.",
        "CREATE COLLECTION notes (sparse SPARSE MODEL 'qdrant/bm25');\n"
        "COPY notes FROM 'passages.tsv' COLUMNS (id INTEGER, text TEXT);\n"
        "SELECT * FROM notes WHERE id = 8;",
        covers="copy_columns column copy_delimiter copy_header",
        form="COPY … COLUMNS (name [type] [, …]) [DELIMITER 'character'] [HEADER [true | false]]",
        see=("COPY", "MAP"),
        words=("DELIMITER", "HEADER"),
    ),
)
