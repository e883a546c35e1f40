"""Queries, judgements (qrels) and runs as files: BEIR, TREC and JSON Lines, plain or gzipped, UTF-8.

What a file is, its first line says: one that begins with ``{`` is JSON Lines, the rest is text in columns.
Blank lines are skipped. Ids are strings, integers in JSON become their digits. The first fault ends the
reading with a `InputError` that names the file and the line, since figures of half a file mislead.

**Queries.** JSON Lines: an object a query, with its id under one of `QUERY_IDS`. Columns:
``id<TAB>text`` (TREC topics), or a header line that begins with one of these names and names every column.
Topics of TREC in XML or SGML are queries too (`qql.evaluation.files.topics`), and cases of Quepid
(``quepid``) and logs of UBI (``clicks``) are both queries and judgements.

**Judgements.** TREC: ``query iteration document relevance``, separated by whitespace. BEIR:
``query-id<TAB>corpus-id<TAB>score``; the header line may be missing. JSON Lines: objects with one name each
of `QUERY_IDS`, `DOC_IDS` and `RELEVANCES`, and maybe of `SUBTOPICS`. Relevance is a number; 0 and below is
judged and not relevant. Where iterations differ, they are subtopics (TREC's diversity judgements).

**Runs.** TREC: ``query Q0 document rank score tag``.
"""

from qql.evaluation.files.clicks import ClickQrels
from qql.evaluation.files.qrels import (
    DOC_IDS,
    MOST_RELEVANT,
    RELEVANCES,
    SUBTOPICS,
    Judgement,
    Judgements,
    Qrels,
    read_qrels,
)
from qql.evaluation.files.queries import QUERY_IDS, QUERY_TEXTS, Query, read_queries
from qql.evaluation.files.runs import Run, Scored, read_run, run_lines, write_run

__all__ = [
    "DOC_IDS",
    "MOST_RELEVANT",
    "QUERY_IDS",
    "QUERY_TEXTS",
    "RELEVANCES",
    "SUBTOPICS",
    "ClickQrels",
    "Judgement",
    "Judgements",
    "Qrels",
    "Query",
    "Run",
    "Scored",
    "read_qrels",
    "read_queries",
    "read_run",
    "run_lines",
    "write_run",
]
