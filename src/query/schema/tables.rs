//! Every table and its columns. A new one is an entry here.

use super::Table;
use crate::model::column::Kind;

const HISTORY: &str = "What was there before is looked for as far back as the statement's conditions on `time` reach; other conditions leave out rows, not what was there before them. Rows come newest first.";

const PASSED: &str = "Every event is looked at that conditions on `cluster`, `time` and, where it is a column, `source` leave, in one pass over numbers. `time` is there for such conditions only, which must be joined with `and`. Rows have no rowid.";

/// Every table, in the order of the documents.
pub const TABLES: &[Table] = &[
    Table {
        name: "events",
        doc: "One row per event: one stage of one request. `user`, `name` and the like are as recorded; what the apiserver did not record is NULL.",
        columns: &[],
        note: "",
    },
    Table {
        name: "event_counts",
        doc: "How many events there are: one row per combination of those of its columns that the `select` from it names, and the number of its events. Counts come from what was added up when events were sealed, where that fits, and are always those that `events` gives.",
        columns: &[
            (
                "hour",
                Kind::Time,
                "begin of the hour UTC that `events.time` lies in",
            ),
            ("events", Kind::Int, "how many"),
            ("first_time", Kind::Time, "time of the first of them"),
            ("last_time", Kind::Time, "time of the last of them"),
            ("raw_bytes", Kind::Int, "sum of `events.raw_bytes`"),
            (
                "mean_latency_us",
                Kind::Int,
                "mean of `events.latency_us`, rounded",
            ),
            (
                "succeeded",
                Kind::Int,
                "how many have the outcome `success` or `upgraded`",
            ),
            (
                "refused",
                Kind::Int,
                "how many have an outcome that begins with `denied_`",
            ),
            ("answered", Kind::Int, "how many have a code"),
            ("errors", Kind::Int, "how many have a code from 400 to 599"),
            ("client_errors", Kind::Int, "of these 4xx"),
            ("server_errors", Kind::Int, "of these 5xx"),
            ("last_error", Kind::Time, "time of the last of the errors"),
        ],
        note: "Add up with `sum(events)` and `group by`: a column that a condition needs makes rows of its own. What segments have counted is read where it fits: rollups by hour, and for segments that lie in the time range as a whole a summary that also knows `first_time` and `last_time`. `raw_bytes` and `mean_latency_us` are read from events. `order by` any of its columns costs little, and rows that are not read of an ordered statement cost nothing. A `select` that names neither `hour` nor any column below these gets one row, or none when nothing matches; it does not name a column that stands only in conditions which the store decides alone: comparisons with `match`, `=` and the like, joined with `and`. `time`, `received_time`, `stored_time`, `audit_id`, `request_uri`, `path`, `latency_us`, `raw` and the columns that hold lists (`source_ips`, `user_groups`, `impersonated_groups`, `images`, `pod_security`, `subjects`, `command`) are there for conditions only, which must be joined with `and`: comparisons of the times and of `latency_us`, `match` and `is null` on the others. Reading one is an error, and `select *` leaves them out. So are three more: `ended = 1` counts the last event of each request only (stage `ResponseComplete` or `Panic`, or the `ResponseStarted` of who was not authenticated), and with `per_request = 1` the events of one request, put together as in `requests`, count once, by the last one that matches: for sessions and the like, because events are read for it. Other conditions than those which the store decides alone are not about which event is the last then, but about that event. With `summed = 1` a column that the `select` names and nobody reads in the end makes no rows of its own: for a subquery of many columns of which each use adds up by a few. A statement may read any of the other columns together; more than 2,000,000 rows are an error (HTTP 422).",
    },
    Table {
        name: "requests",
        doc: "One row per API call: its stages put together. Stages belong together when cluster, audit ID, user, URI and received time are all equal and none is NULL, because clients may choose the audit ID. The columns not explained here have their meaning from `events`, as of the last stage.",
        columns: &[
            ("cluster", Kind::Text, ""),
            ("audit_id", Kind::Text, ""),
            ("first_time", Kind::Time, "time of the first stage"),
            ("time", Kind::Time, "time of the last stage"),
            ("received_time", Kind::Time, ""),
            (
                "stages",
                Kind::Json,
                "the stages seen, in order, a JSON array",
            ),
            (
                "open",
                Kind::Bool,
                "1 for a long-running call (watch, exec, ...) that has started and not ended",
            ),
            (
                "ambiguous",
                Kind::Bool,
                "1 when a stage repeats, so that calls cannot be told apart: then every event is a row",
            ),
            ("last_event_id", Kind::Int, "`events.id` of the last stage"),
            ("verb", Kind::Text, ""),
            ("user", Kind::Text, ""),
            ("impersonated_user", Kind::Text, ""),
            ("effective_user", Kind::Text, ""),
            ("source_ip", Kind::Text, ""),
            ("user_agent", Kind::Text, ""),
            ("request_uri", Kind::Text, ""),
            ("api_group", Kind::Text, ""),
            ("resource", Kind::Text, ""),
            ("subresource", Kind::Text, ""),
            ("namespace", Kind::Text, ""),
            ("name", Kind::Text, "from the last stage that has it"),
            ("code", Kind::Int, ""),
            ("reason", Kind::Text, ""),
            (
                "outcome",
                Kind::Text,
                "`pending` when no response was recorded",
            ),
            ("decision", Kind::Text, ""),
            ("decision_reason", Kind::Text, ""),
            ("dry_run", Kind::Bool, ""),
            ("latency_us", Kind::Int, "from received to the last stage"),
        ],
        note: "Conditions on `cluster`, `audit_id`, `user`, `request_uri`, `received_time`, `verb`, `api_group`, `resource`, `subresource`, `namespace` and `source_ip` narrow what is read; a condition on `time` or `outcome` is tested on finished rows. Give `received_time` a range on large stores.",
    },
    Table {
        name: "image_history",
        doc: "Finished writes that submit container images of a workload which no controller owns, beside the images that it had before.",
        columns: &[
            (
                "before",
                Kind::Json,
                "images of the latest earlier write of the same object that took effect, a JSON array",
            ),
            (
                "changed",
                Kind::Bool,
                "1 when the write submits an image that was not there before",
            ),
        ],
        note: HISTORY,
    },
    Table {
        name: "scale_history",
        doc: "Finished writes of the scale subresource, and of deployments, stateful sets, replica sets and replication controllers from level Request on, beside the replicas that were asked for before. What the controllers of kube-system set in objects themselves is left out.",
        columns: &[
            (
                "before",
                Kind::Int,
                "`replicas_answered` of the latest earlier write of the same object that took effect, else `replicas_observed`",
            ),
            (
                "changed",
                Kind::Bool,
                "1 when the write asks for another number than there was before",
            ),
        ],
        note: HISTORY,
    },
    Table {
        name: "event_delays",
        doc: "How long after their time events were stored, which says whose clock disagrees with this machine's: one row per cluster, source and how far ahead of this machine's clock its events were.",
        columns: &[
            ("cluster", Kind::Text, ""),
            ("source", Kind::Text, ""),
            (
                "ahead_us",
                Kind::Int,
                "microseconds by which `time` was later than `stored_time`; 0 for all events that were not ahead",
            ),
            ("events", Kind::Int, "how many"),
            (
                "before_received",
                Kind::Int,
                "of these, with a negative `latency_us`",
            ),
            ("untimed", Kind::Int, "of these, with a `time_quality`"),
            (
                "least_delay_us",
                Kind::Int,
                "microseconds from `time` to `stored_time`: the least; negative is ahead",
            ),
            ("most_delay_us", Kind::Int, "the most"),
            ("an_audit_id", Kind::Text, "of one of them"),
        ],
        note: PASSED,
    },
    Table {
        name: "reused_audit_ids",
        doc: "Audit IDs of a cluster under which different requests were recorded: events whose received time, URI, user or verb differ where both have one. Clients may choose the ID.",
        columns: &[("cluster", Kind::Text, ""), ("audit_id", Kind::Text, "")],
        note: PASSED,
    },
    Table {
        name: "users",
        doc: "The distinct values of `events.user`, and when they were seen.",
        columns: &[
            ("user", Kind::Text, ""),
            ("first_seen", Kind::Time, "time of the first event"),
            ("last_seen", Kind::Time, "time of the last event"),
            ("events", Kind::Int, "how many"),
        ],
        note: "",
    },
    Table {
        name: "verbs",
        doc: "The distinct values of `events.verb`.",
        columns: &[
            ("verb", Kind::Text, ""),
            ("first_seen", Kind::Time, ""),
            ("last_seen", Kind::Time, ""),
            ("events", Kind::Int, ""),
        ],
        note: "",
    },
    Table {
        name: "resources",
        doc: "The distinct values of `events.resource`.",
        columns: &[
            ("resource", Kind::Text, ""),
            ("first_seen", Kind::Time, ""),
            ("last_seen", Kind::Time, ""),
            ("events", Kind::Int, ""),
        ],
        note: "",
    },
    Table {
        name: "namespaces",
        doc: "The distinct values of `events.namespace`.",
        columns: &[
            ("namespace", Kind::Text, ""),
            ("first_seen", Kind::Time, ""),
            ("last_seen", Kind::Time, ""),
            ("events", Kind::Int, ""),
        ],
        note: "",
    },
    Table {
        name: "user_agents",
        doc: "The distinct values of `events.user_agent`.",
        columns: &[
            ("user_agent", Kind::Text, ""),
            ("first_seen", Kind::Time, ""),
            ("last_seen", Kind::Time, ""),
            ("events", Kind::Int, ""),
        ],
        note: "",
    },
    Table {
        name: "source_ips",
        doc: "Every recorded address counts, claimed hops included.",
        columns: &[
            ("source_ip", Kind::Text, ""),
            ("first_seen", Kind::Time, ""),
            ("last_seen", Kind::Time, ""),
            ("events", Kind::Int, "events that recorded the address"),
        ],
        note: "",
    },
    Table {
        name: "sources",
        doc: "What came in, per cluster and way.",
        columns: &[
            ("cluster", Kind::Text, ""),
            ("source", Kind::Text, "`webhook`, `file`"),
            ("events", Kind::Int, "stored"),
            ("duplicates", Kind::Int, "events that were there already"),
            (
                "quarantined",
                Kind::Int,
                "items that could not be understood",
            ),
            (
                "first_seen",
                Kind::Time,
                "when the first batch was committed",
            ),
            ("last_seen", Kind::Time, "when the last one was"),
        ],
        note: "",
    },
    Table {
        name: "ingest_log",
        doc: "Batches as they were committed; older than the active segment, summed per minute.",
        columns: &[
            ("stored_time", Kind::Time, "the commit, or the minute"),
            ("cluster", Kind::Text, ""),
            ("source", Kind::Text, ""),
            ("events", Kind::Int, ""),
            ("duplicates", Kind::Int, ""),
            ("quarantined", Kind::Int, ""),
        ],
        note: "",
    },
    Table {
        name: "quarantine",
        doc: "Items that could not be understood, with their bytes.",
        columns: &[
            ("id", Kind::Int, "from the same sequence as event ids"),
            ("stored_time", Kind::Time, ""),
            ("cluster", Kind::Text, ""),
            ("source", Kind::Text, ""),
            ("origin", Kind::Text, "file and line, or the request"),
            ("reason", Kind::Text, "why it could not be understood"),
            ("bytes", Kind::Int, "its length"),
            (
                "duplicates",
                Kind::Int,
                "how often the same bytes came again",
            ),
            ("raw", Kind::Bytes, "the bytes"),
        ],
        note: "",
    },
    Table {
        name: "segments",
        doc: "The files that hold the events.",
        columns: &[
            ("segment", Kind::Text, "file name in the data directory"),
            ("state", Kind::Text, "`active` or `sealed`"),
            ("events", Kind::Int, ""),
            ("oldest", Kind::Time, "oldest event time"),
            ("newest", Kind::Time, "newest event time"),
            ("raw_bytes", Kind::Int, "bytes of the events as received"),
            (
                "stored_bytes",
                Kind::Int,
                "bytes of the file; NULL while active",
            ),
        ],
        note: "",
    },
    Table {
        name: "reports",
        doc: "What became of the reports that the server writes on a schedule: a row per file that was written, per failure and per removal.",
        columns: &[
            (
                "made_at",
                Kind::Time,
                "when it was made, failed or was removed",
            ),
            ("name", Kind::Text, "the report's"),
            ("since", Kind::Time, "the time range that it is about"),
            ("until", Kind::Time, "its end, not included"),
            (
                "form",
                Kind::Text,
                "`html`, `md`, `json`, `csv`; `rows` is a file beside them",
            ),
            ("path", Kind::Text, "the file"),
            (
                "sha256",
                Kind::Text,
                "the digest that a document holds; of a file with rows that of its bytes",
            ),
            ("made_for", Kind::Text, ""),
            (
                "outcome",
                Kind::Text,
                "`made`, `failed`, `removed`; `kept`: too old, but somebody changed it",
            ),
            ("reason", Kind::Text, "why it failed or was kept"),
        ],
        note: "",
    },
    Table {
        name: "pruned",
        doc: "What retention removed, one row per file that it removed events from.",
        columns: &[
            ("pruned_time", Kind::Time, "when"),
            ("before", Kind::Time, "events before this were to go"),
            ("events", Kind::Int, "how many went"),
            ("oldest", Kind::Time, "oldest event of the file"),
            ("newest", Kind::Time, "newest event that could go"),
            ("segment", Kind::Text, "file name in the data directory"),
        ],
        note: "",
    },
];
