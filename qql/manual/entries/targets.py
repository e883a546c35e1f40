"""The entries of targets: what QUERY searches for."""

from __future__ import annotations

from functools import partial

from qql.compiler.options import query
from qql.manual.entry import Entry
from qql.manual.examples import NEAR_STAGE, ONLY_NAMES
from qql.manual.lists import RECOMMEND_STRATEGIES, listed

__all__ = ["TARGETS"]

_target_entry = partial(Entry, "targets")


TARGETS: tuple[Entry, ...] = (
    _target_entry(
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
    _target_entry(
        "IMAGE",
        "image",
        "A picture, as an address or in base64, embedded by a model.",
        "QUERY IMAGE 'https://example.org/cat.png' MODEL 'cloud/clip' FROM docs USING small LIMIT 1;",
        see=("TEXT", "OBJECT"),
        refused=True,
    ),
    _target_entry(
        "OBJECT",
        "inference",
        "Whatever a model of the server takes.",
        "QUERY OBJECT {text: 'cat', style: 'short'} MODEL 'cloud/any' FROM docs USING small LIMIT 1;",
        see=("TEXT", "IMAGE"),
        refused=True,
    ),
    _target_entry(
        "VECTOR",
        "vector",
        "A vector: dense `[…]`, of several rows `[[…], …]`, or sparse `{indices: […], values: […]}`.",
        "QUERY [1, 0] FROM docs USING small LIMIT 2;",
        also=("QUERY VECTOR [1, 0] FROM docs USING small LIMIT 2",),
        see=("USING",),
    ),
    _target_entry(
        "POINT",
        "point",
        "The vector of a point. The point itself is not among the hits.",
        "QUERY POINT 1 FROM docs USING small LIMIT 1;",
        covers="bare_point",
        also=("QUERY 1 FROM docs USING small LIMIT 1",),
        see=("POINTS", "LOOKUP FROM", "RECOMMEND"),
    ),
    _target_entry(
        "POINTS",
        "points",
        "The points themselves, without a search.",
        "QUERY POINTS (1, 3) FROM docs;",
        covers="bound_points",
        also=("SELECT * FROM docs WHERE id IN (1, 3)",),
        see=("SELECT",),
    ),
    _target_entry(
        "RECOMMEND",
        "recommend",
        "Points that are like some examples and unlike others. An example is the id of a point, a vector "
        f"or TEXT '…'. STRATEGY is {listed(RECOMMEND_STRATEGIES, 'or')}.",
        "QUERY RECOMMEND POSITIVE (1) NEGATIVE (2) STRATEGY best_score FROM docs USING small LIMIT 1;",
        covers="recommend_part recommend_option positive negative examples example example_point",
        also=(
            "QUERY RECOMMEND WITH (positive = (1), negative = (2)) STRATEGY 'best_score' FROM docs USING "
            "small LIMIT 1",
        ),
        see=("STRATEGY", "DISCOVER", "CONTEXT"),
        words=("POSITIVE", "NEGATIVE"),
    ),
    _target_entry(
        "CONTEXT",
        "context",
        "Points that lie on the positive side of every pair of examples.",
        "QUERY CONTEXT (POSITIVE POINT 1 NEGATIVE POINT 2) FROM docs USING small LIMIT 5;",
        covers="context_pair bare_pair",
        also=("QUERY CONTEXT PAIRS ((1, 2)) FROM docs USING small LIMIT 5",),
        see=("DISCOVER",),
        words=("PAIRS",),
    ),
    _target_entry(
        "DISCOVER",
        "discover",
        "Points near a target, those first that lie on the positive side of most pairs.",
        "QUERY DISCOVER TARGET POINT 3 CONTEXT (POSITIVE POINT 1 NEGATIVE POINT 2) FROM docs USING small "
        "LIMIT 5;",
        also=("QUERY DISCOVER TARGET POINT 3 CONTEXT PAIRS ((1, 2)) FROM docs USING small LIMIT 5",),
        see=("CONTEXT",),
    ),
    _target_entry(
        "ORDER BY target",
        "order_target",
        "Points by the value of a field, which requires an index. START FROM leaves out what stands "
        "before a value.",
        "QUERY ORDER BY year ASC START FROM 2023 FROM docs LIMIT 1;",
        see=("SCROLL", "ORDER BY"),
    ),
    _target_entry(
        "SAMPLE",
        "sample",
        "Points drawn by chance.",
        "QUERY SAMPLE FROM docs LIMIT 1;",
        also=("QUERY SAMPLE RANDOM FROM docs LIMIT 1",),
        varies=True,
    ),
    _target_entry(
        "FORMULA",
        "formula",
        "Scores the points of the stages by an expression of their scores and fields. `$score` is the "
        "score of the stages together, `$score[0]` that of the first. DEFAULTS are values for fields "
        "that a point lacks.",
        f"QUERY FORMULA $score + 0.1 * price FROM shops {NEAR_STAGE} {ONLY_NAMES} LIMIT 2;",
        also=(f"QUERY FROM shops {NEAR_STAGE} BOOST $score + 0.1 * price {ONLY_NAMES} LIMIT 2",),
        see=("DEFAULTS", "BOOST", "Arithmetic", "GAUSS_DECAY", "CASE"),
    ),
    _target_entry(
        "MMR",
        "mmr",
        "Hits that are near the target and unlike one another. DIVERSITY goes from 0 (near) to 1 "
        "(unlike); CANDIDATES are the hits to choose from.",
        "QUERY MMR [1, 0.2] DIVERSITY 0.7 CANDIDATES 4 FROM docs USING small LIMIT 2;",
        tables=(("PARAMS", query.MMR_OPTIONS),),
        covers="mmr_part diversity candidates",
        also=("QUERY [1, 0.2] FROM docs USING small LIMIT 2 WITH (mmr_diversity = 0.7, mmr_candidates = 4)",),
        words=("DIVERSITY", "CANDIDATES"),
    ),
    _target_entry(
        "RELEVANCE FEEDBACK",
        "relevance_feedback",
        "Searches for a target and corrects it by examples with scores of their own. STRATEGY NAIVE "
        "takes three constants.",
        "QUERY RELEVANCE FEEDBACK TARGET [1, 0] FEEDBACK ((POINT 2, 1), (POINT 4, 0.2))\n"
        "STRATEGY NAIVE (a = 1, b = 1, c = 1) FROM docs USING small LIMIT 2;",
        tables=(("STRATEGY NAIVE", query.FEEDBACK_OPTIONS),),
        covers="feedback_item",
        see=("STRATEGY", "RECOMMEND"),
        words=("FEEDBACK",),
    ),
    _target_entry(
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
    _target_entry(
        "MATCH … ON",
        "full_text",
        "Full-text search: BM25 over the text index of a field. The index requires `scoring = true`.",
        "QUERY MATCH 'emergency care' ON text FROM docs LIMIT 2;",
        tables=(("MATCH … ON", query.BM25_OPTIONS),),
        see=("CREATE INDEX", "MATCH"),
        words=("MATCH ON", "FULL TEXT", "BM25"),
    ),
    _target_entry(
        "MATCH … ON (…)",
        "fields_text",
        "Full-text search in several fields, as one request: a stage searches each field by BM25, and a "
        "formula adds up the scores, each times its boost (`title ^ 2`; 1 where none is written). A field"
        " in which a point was not found counts 0. Each field gives ten candidates for each hit that is "
        "asked for. It is what Elasticsearch calls most_fields; for the best field alone, or other sums, "
        "write FORMULA over stages of MATCH … ON.",
        "CREATE INDEX ON docs FOR title TYPE text WITH (scoring = true);\n"
        "QUERY MATCH 'emergency care' ON (title ^ 2, text) FROM docs LIMIT 2;",
        covers="boosted_field",
        see=("MATCH … ON", "FORMULA"),
        words=("BOOST FIELD", "MULTI MATCH"),
    ),
    _target_entry(
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
    _target_entry(
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
