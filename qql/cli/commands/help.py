"""`qql help`, and what `qql COMMAND --help` says of a command beside its options.

The texts stand apart from the commands, which load what they work with.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.commands.options import Arguments
    from qql.cli.render import Renderer

__all__ = [
    "BENCH",
    "CHECK",
    "COMPILE",
    "COMPLETION",
    "CONVERT",
    "DIFF",
    "DOCTOR",
    "DUMP",
    "EVAL",
    "EXIT_CODES",
    "EXPLAIN",
    "FEATURES",
    "FMT",
    "HELP",
    "JUDGE",
    "LINT",
    "PROFILES",
    "QUERY",
    "RECORD",
    "RESTORE",
    "RUN",
    "TUNE",
    "help_",
]

EXIT_CODES = {
    0: "done",
    1: "a statement failed",
    2: "wrong usage",
    3: "the text is at fault, and nothing was sent",
    4: "no connection, or no answer in time",
    5: "refused, and nothing was sent",
}
"""What the exit codes of statements mean; what others there are, a command says."""
RUN = """\
json is one array for each statement, jsonl one object on a line. Without --format it is a table on a
terminal, jsonl elsewhere, and messages of statements go to standard error in a pipe, so that standard output
has hits only; EXPLAIN alone is text.
QQL_DB is stronger than QDRANT_URL, an option is stronger than both; with none of them, a database in memory.
QQL_HISTORY names the prompt's history file; empty, it keeps none. QQL_QUERIES names the folder of the
statements that it saves. QQL_DEBUG=1 shows tracebacks.
{codes}.

  qql run load.qql --url localhost:6333
  qql run search.qql --db ./data --param q='red shoes' --format json
  qql run search.qql --db ./data | jq .score""".replace(
    "{codes}", f"Exit codes: {', '.join(f'{code} {meaning}' for code, meaning in EXIT_CODES.items())}"
)
COMPILE = """\
curl is a command for each request, python a program for each, with qdrant-client; both ask the server at
http://localhost:6333.

  qql compile search.qql --param q='red shoes' --model dense=local/hash-256
  qql compile -c "QUERY [0.1, 0.2] FROM docs LIMIT 5" --format curl"""
EXPLAIN = """\
html is a page with a picture of the stages, which needs nothing beside itself.

  qql explain search.qql --db ./data
  qql explain search.qql --format html -o plan.html"""
CHECK = """\
Exit codes: 0; 3 where there are errors.

  qql check *.qql"""
FMT = """\
Comments stay where they are. Without --write and --check, the script is printed.

  qql fmt search.qql
  qql fmt --write *.qql"""
CONVERT = """\
A body alone needs --collection; --path says where it is sent to.

  qql convert requests.json --collection docs
  qql convert page.html > searches.qql"""
HELP = """\
--man is the page of this command for `man`, which is installed with it.

  qql help QUERY
  qql help GROUP BY"""
COMPLETION = """\
bash: in ~/.bashrc; zsh: in ~/.zshrc, behind compinit; fish: in ~/.config/fish/completions/qql.fish.

  eval "$(qql completion bash)"
  qql completion zsh > ~/.zsh/_qql
  qql completion fish > ~/.config/fish/completions/qql.fish"""

EVAL = """\
The text of a query is :query in the pipeline, every other field of its row :NAME; --param gives what is the
same for all. A hit is the judged document that has its id, or whose id became its UUID; --doc-id names a
field of the payload instead. GROUP BY ranks the hits of one group after the other.

Equal scores, of which RRF makes many, stand in any order, and where a LIMIT cuts a tie the engine keeps any
of the equals. The report has the least and the most that a measure can be over all orders; a full answer is
asked for once more, with hits beyond its LIMIT, to complete the tie. --ties chooses: id (of the point; the
default), doc (descending by document, as trec_eval does, and the default for run files), best, worst. So
figures are the same in each run, unless the report says that chance is at work below: where stages, or the
LIMIT below RERANK, cut a tie, or the tie is longer than was looked at. Run files have this order (equal
scores are written a little lower one by one, so trec_eval and ir-measures give the same figures), and
documents by their names, judged or not.

  qql eval bm25.qql hybrid.qql --db ./data --queries queries.jsonl --qrels qrels.tsv --stages
  qql eval bm25.run hybrid.run --queries queries.jsonl --qrels qrels.tsv --measures "nDCG@10 AP P(rel=2)@5"

--fail-if-worse nDCG@10:0.01 --against before.json exits with 1 where the mean fell by more than 0.01 since
that report (--format json) or TREC run, whether or not that may be chance (p is beside it): on the same
queries the answer is the same each time. Without a margin, nDCG@10 alone, a loss has to be more than chance:
p below 0.05, corrected for all rules. Means are over the queries that both have. --per-query --sort delta
shows the queries that lost most against the baseline first.

  qql eval hybrid.qql --db ./data --queries queries.jsonl --qrels qrels.tsv --format json -o before.json
  qql eval hybrid.qql --db ./data --queries queries.jsonl --qrels qrels.tsv \\
    --fail-if-worse nDCG@10:0.01 --fail-if-worse R@100 --against before.json

-o FILE writes there: .md, .csv, .json and .jsonl are formats. json has everything, jsonl and csv the table
of means (with --per-query: of queries). Measures: nDCG, R, P, Success, RR, AP, Rprec, Judged, ERR, RBP,
Bpref, alpha_nDCG (of judgements with subtopics)."""
BENCH = """\
Times are the client's, from the text of the pipeline to its hits. Without --repeat and --seconds, the queries
are asked until there are 100 calls. Recall compares the first K hits with those of the same pipeline with
`exact = true` in every search. --queries, --param and --doc-id are as for `qql eval`; without --queries the
pipeline is asked with what --param gives.

--stages-table makes its own pipelines for a collection: exact search, HNSW, quantized vectors, the same
scored anew, reranked, and compared by a multivector, as far as the collection has what they need; for what is
not here it says what would add it. Times are those of the stages, without embedding; recall is against the
exact search. Without --queries, points of the collection are searched for. --qrels adds nDCG@10.

  qql bench dense.qql hybrid.qql --db ./data --queries queries.jsonl
  qql bench --stages-table --db ./data --collection docs --queries queries.jsonl --rerank-model local/overlap
  qql bench hybrid.qql --url localhost:6333 --queries queries.jsonl --concurrency 8 --seconds 30"""
DOCTOR = """\
Each finding is ok, a note, or a fault, with a remedy. The engine is tried in a directory that is thrown away;
nothing is downloaded, and a server is asked only where --url or QDRANT_URL names one. Keys are not shown.
Exit codes: 0; 1 where there is a fault.

  qql doctor
  qql doctor --url localhost:6333 --format json"""
LINT = """\
Without --url or --db, collections are known as far as the scripts create them. Of a parameter without a
value, what is said holds for many values. A comment `-- qql: ignore CODE, …` in front of a statement, in it,
or behind it on the same line silences the advice and warnings of these codes.
Exit codes: 0; 1 with --fail-on, where something was found; 3 where there are errors.

  qql lint *.qql --fail-on warning
  qql lint search.qql --db ./data --format sarif -o found.sarif
  qql lint --rule stage-keeps-most"""
TUNE = """\
A --grid is a parameter of the pipeline (k=2,20,60) or a setting of one of its stages, which are called as in
EXPLAIN: root is the query, `inline 1` the first stage without a name. Settings: limit, threshold, fusion,
rrf_k, rrf_weights (a list, or rrf_weights.dense for one), top (of RERANK), diversity, candidates (of MMR),
and every search parameter (hnsw_ef, exact, quantization.oversampling). Values are JSON, or words;
null leaves a clause out. Without --grid, values are chosen that suit the pipeline and the collection, and the
report says what else can be set.

All combinations are tried, but those that do not fit (rrf_k with dbsf). Each query is asked of all settings
in turn, --repeat times, and times differ only where a bootstrap over rounds and queries says so: what is as
good in the same time is equal, and of equals the report shows the one that changes the least. Shown are those
that no other beats in both quality and time, fastest first. --ties is as for `qql eval`.

With --recording, --folds or --search optuna, settings are not run but recomputed, in thousands, from what
each stage gave once (`qql record`): in FILE, which is made where there is none, or for this call alone. The
best is a winner only where queries that had no part in the choice say so, beyond noise and equal scores: by
--folds, or by the share of --holdout. The report has what each change does alone, and with a database the
best are run as well. --search optuna (extra `optuna`) draws --sample settings. Limits beyond --deep, and
what is no cut or fusion of recorded stages (hnsw_ef, MMR, RERANK), need runs.

  qql tune hybrid.qql --db ./data --queries queries.jsonl --qrels qrels.tsv
  qql tune hybrid.qql --recording run.qqlrun --queries queries.jsonl --qrels qrels.tsv
  qql tune hybrid.qql --db ./data --queries queries.jsonl --qrels qrels.tsv --measure nDCG@10 \\
    --grid dense.limit=50,100,200 --grid root.rrf_k=2,20,60 --holdout 0.3"""
CALIBRATE = """\
The root of the pipeline fuses stages. Logistic regression fits the log-odds that a candidate is relevant to
the scores of these stages, with a constant for each one that lacks it, and the pipeline is written with one
FORMULA in the place of the fusion: its score is a probability, so SCORE THRESHOLD 0.2 means the same for
every query, and on any number of shards. Candidates that nobody judged count as not relevant, as in measures.

The queries are held apart in --folds: each is ranked by a curve that the others have fitted. Where the 95%
interval of the first measure's difference is above 0, the pipeline goes to standard output; else only the
figures are said. --format gives the report in its place. With --recording and no database, nothing is asked.
Exit codes: 0; 1 where it is not better (0 with --anyway).

  qql calibrate hybrid.qql --db ./data --queries queries.jsonl --qrels qrels.tsv -o calibrated.qql
  qql calibrate hybrid.qql --recording run.qqlrun.gz --qrels qrels.tsv --measure nDCG@10 --format table"""
RECORD = """\
The lowest stages of the pipelines are asked for --deep points, once for each query: one that several share,
too. From the file, `qql.evaluation.recompute` answers for any LIMIT up to that, other thresholds, fusions, k,
weights, formulas over scores, and with stages left out, without the database; and says where it cannot.

The file is JSON Lines, gzipped if its name ends with .gz. A line is added for each query, so what a kill
leaves can be gone on with: --resume.

  qql record hybrid.qql --db ./data --queries queries.jsonl -o run.qqlrun.gz
  qql record a.qql b.qql --url localhost:6333 --queries queries.jsonl --deep 500 -o run.qqlrun --resume"""
WHY_NOT = """\
WHY NOT of a query, and of a set: changes of the pipeline, as few as it takes, each of which makes the point a
hit; each was run. Of as many changes, those come first by which the fewest other points enter or leave the
hits, then those that take the fewest candidates more, then those that change a number least. Then all
--queries, but for the one that is asked about, are asked before and after: how many have other best hits, and
with --qrels what each measure gains and who loses most. The changed pipeline stands at the end.

--recording answers for the set without asking, where it says for certain what the pipeline and the changed
one give; without --queries, its own are the set. --param query=TEXT is --query TEXT.
Exit codes: 0; 1 where nothing makes the point a hit; 2 and 3 for errors.

  qql why-not hybrid.qql --db ./data --query 'red shoes' --id 17
  qql why-not hybrid.qql --db ./data --query q3 --id 17 --queries queries.jsonl --qrels qrels.tsv
  qql why-not hybrid.qql --db ./data --query q3 --id 17 --recording run.qqlrun.gz --format json"""
FEATURES = """\
A row is a document that was found for a query: its label (with --qrels; none where nobody judged it), rank
and score in the answer, and score and rank in each stage, none where the stage did not find it. --field adds
a field of the payload. A pipeline with RERANK has both scores, and the rank in front of it.

The name of -o says what is written: .parquet (with pyarrow), .jsonl, .csv, or .svm, .svmlight, .libsvm and
.letor for SVM-light; .gz, .xz or .bz2 behind it compress all but Parquet. Without -o, it is standard output.
SVM-light has `label qid:n 1:value … # document query`, and its features in comments in front. There, the
label is 0 without a judgement, a missing score or field is left out, which readers take for 0, and a missing
rank is the LIMIT of its stage plus 1.

--recording takes queries and stages from a file of `qql record`, and no engine is asked: the pipeline may
have any LIMIT up to its depth, and another fusion. There are no fields then.

  qql features hybrid.qql --db ./data --queries queries.jsonl --qrels qrels.tsv --field year -o t.parquet
  qql features hybrid.qql --db ./data --queries queries.jsonl --qrels qrels.tsv -o train.svm.gz
  qql features deeper.qql --recording run.qqlrun.gz --qrels qrels.tsv -o train.svm.gz"""
QUERY = """\
--rerank-model M (or QQL_RERANK_MODEL) adds a second stage: M reads the --limit candidates, and
the --top-k that it finds best are the hits. Without one, the smaller number is the LIMIT.
A text that begins with `-` stands at the end, behind `--`.

  qql query "emergency: acute chest pain" --from docs --db ./data --using dense --where "lang = 'en'"
  qql query 'How do I configure replica sets?' --from docs --limit 50 --top-k 10 --rerank-model M --show"""
DIFF = """\
A move is how many ranks higher (↑) or lower (↓) a hit stands in B. Equal scores, whose order is the engine's
chance, are ranked by the points' ids; a tie is a swap that they allow, and no difference. With --queries,
each query is asked: its text is :query, its other fields are parameters by their names. --api-key goes to
--url alone, QDRANT_API_KEY to both servers.
json has everything, jsonl and csv have a row for each hit, or for each query.

--qrels judges: wins, losses and ties of each measure with a p-value, and the worst regressions by the first
one, with the query's text and the documents that moved there (rank before, rank now, label). The figures are
those of `qql eval`. --per-query adds every query, --sort nDCG@10 by B's value, --sort delta by the change of
the first measure, the worst first. One of the two, or both, may be TREC runs.

  qql diff dense.qql hybrid.qql --db ./data --queries queries.jsonl --qrels qrels.tsv --per-query --sort delta
  qql diff dense.qql hybrid.qql --db ./data --param query='red shoes'
  qql diff hybrid.qql --db ./data --url-b localhost:6333 --queries queries.jsonl"""
JUDGE = """\
Both pipelines answer each query; then a judge is asked, document by document, how relevant it is: 0 to
--grades. Asked for are only documents that could still change the verdict, those that are worth the most
first. It stops when the verdict is decided, or cannot be any more. At the terminal: 0-3, s skips, u undoes,
m shows more of the text, q quits; other input has an answer on each line. Neither ranks nor pipelines are
shown to the judge.

-o FILE gets each judgement as it is given, as JSON Lines with its source and time; the same command goes on
with it, and `qql eval --qrels FILE` takes it. The report goes to standard output.

--scope population, the default: a test over queries in random order (--seed) that may be looked at after each
judgement, and is wrong with a chance of at most --alpha; the queries have to be a random sample. --scope log:
bounds over these queries alone, which no other judgement could change. Both are reported. --measure: nDCG, P,
R, RBP, RR or Success, with a cutoff [nDCG@10]. A server is sent {"query", "document", "id"} and answers
{"relevance": 2}; QQL_JUDGE_API_KEY is its key. MODULE:FUNCTION is code that is run; it takes two texts.
--per-query --sort delta, width or left shows every query.
Exit codes: 0 decided; 1 open; 130 after Ctrl-C, with all judgements in FILE.

  qql judge dense.qql hybrid.qql --db ./data --queries log.jsonl -o judged.jsonl
  qql judge dense.qql hybrid.qql --db ./data --queries log.jsonl -o judged.jsonl --judge mine:relevance
  qql judge a.run b.run --queries log.jsonl --judge qrels.tsv --scope log"""

PROFILES = """\
A profile has an address or a directory, where its key is, and what may be done there; docs/connections.md
says what else.

  qql profiles
  qql -p prod"""
DUMP = """\
The name of the file says in which form: .jsonl has a line for each point, .parquet (with pyarrow) columns,
any other is a script. With .gz, .xz or .bz2 behind it, it is compressed. Vectors come back bit for bit.
`qql restore FILE` or `qql run FILE` makes the collection again; COPY loads the points alone.

  qql dump docs docs.qql.gz --db ./data
  qql dump docs docs.parquet --url localhost:6333 --overwrite
  qql dump docs - --db ./data | qql run - --url localhost:6333"""
RESTORE = """\
The file is one that `qql dump` or DUMP has written. The collection must not be there yet; its aliases come
last, when all points are in.

  qql restore docs.qql.gz --url localhost:6333"""


def help_(args: Arguments, console: Renderer) -> int:
    if "man" in args:
        from qql.cli.man_page import man_page

        console.put(man_page().rstrip("\n"))
        return 0
    from qql.cli.shell import manual_lines

    console.put_text(*manual_lines(" ".join(args.get("files", ())), console.line_width))
    return 0
