//! Every named limit with its default, units last. A setting of the same name overrides it where
//! a command or the server offers one.

use std::time::Duration;

/// The largest single event that is stored as an event; a larger item is quarantined whole.
pub const EVENT_BYTES_MAX: usize = 64 << 20;

/// The most bytes of one broken or too large item that go to quarantine; of a larger one the first
/// part is kept, and the reason says so.
pub const QUARANTINE_BYTES_MAX: u64 = 4 << 30;

/// Bytes that one compressed input may expand to (a compression bomb ends there, with a warning).
pub const EXPANDED_BYTES_MAX: u64 = 1 << 40;

/// Bytes of items, and items, that an import commits at once.
pub const IMPORT_BATCH_BYTES: usize = 4 << 20;
pub const IMPORT_BATCH_ITEMS: usize = CHUNK_ROWS;

/// Items of one webhook body that go to quarantine one by one; with more of them the body is
/// quarantined whole.
pub const BODY_QUARANTINE_ITEMS_MAX: usize = 1000;

/// The largest webhook body. A batch of 400 events of 1 MB is legal, so the default is generous.
pub const BODY_BYTES_MAX: u64 = 2 << 30;

/// A body larger than this is spooled to an unlinked temporary file while it is received.
pub const BODY_MEMORY_BYTES_MAX: usize = 4 << 20;

/// Bytes of request bodies that may be in memory at once, over all connections.
pub const INFLIGHT_BYTES_MAX: usize = 96 << 20;

/// How long a request waits for room before it is answered 503 (kube-apiserver gives up at 30 s).
pub const ADMISSION_WAIT: Duration = Duration::from_secs(20);

/// Connections that the server serves at once; more wait to be accepted.
pub const CONNECTIONS_MAX: usize = 1024;

/// How long a new connection may take to send the header of its first request.
pub const FIRST_HEADER_WAIT: Duration = Duration::from_secs(15);

/// How long a connection may stay idle between requests, and a later header may take. Longer than
/// the 90 s after which kube-apiserver's own transport closes an idle connection, so that the
/// server never closes one just as a batch is being sent on it.
pub const KEEP_ALIVE: Duration = Duration::from_secs(120);

/// A request body must bring [`BODY_PROGRESS_BYTES`] or its end within this time, again and again.
pub const BODY_IDLE_WAIT: Duration = Duration::from_secs(30);

/// What counts as progress of a request body.
pub const BODY_PROGRESS_BYTES: u64 = 64 << 10;

/// How long a client that reads an answer may stand still before the answer is broken off.
pub const ANSWER_STALL_WAIT: Duration = Duration::from_secs(30);

/// The largest request body of the query endpoints.
pub const API_BODY_BYTES_MAX: u64 = 1 << 20;

/// How long requests in flight may take to finish once the server was told to stop.
pub const SHUTDOWN_WAIT: Duration = Duration::from_secs(25);

/// Events in the active segment before it is sealed.
pub const SEGMENT_EVENTS: usize = 65_536;

/// Bytes of texts in the active segment's columns, which are in memory, before it is sealed, however few
/// its events are: whoever sends a request chooses how long its URI is. In proportion more if the
/// setting asks for more events.
pub const SEGMENT_TEXT_BYTES: usize = 32 << 20;

/// The largest setting of the events: a segment numbers its rows in 24 bits.
pub const SEGMENT_EVENTS_MAX: usize = 4_194_304;

/// Segments of one month are merged up to this many events.
pub const MERGE_EVENTS_MAX: usize = 2_097_152;

/// Bytes of dictionaries that a merge may hold at once: a piece, 128 strings, of each segment. Segments
/// with longer texts stay as they are.
pub const MERGE_TEXT_BYTES_MAX: usize = 128 << 20;

/// How many segments stand side by side before they are merged into one.
pub const MERGE_FANIN: usize = 8;

/// Rows of a column chunk, and the most rows of one appended block. With SQLite's own bytes a chunk
/// of 4,000 bytes fills a page of 4,096, and two of half of that do.
pub const CHUNK_ROWS: usize = 4000;

/// Combinations of cluster, stage, code and outcome that a segment's rollups tell apart; one with more
/// gets no rollups, and counts scan it.
pub const ROLLUP_CELLS_MAX: usize = 65_536;

/// A segment has a summary (how many events agree in their columns with few values) if it has at most
/// one row for so many events, or not more rows than this.
pub const SUMMARY_SHARE: usize = 4;
pub const SUMMARY_ROWS_SMALL: usize = 4096;

/// Bytes of bodies after which an appended block is closed, so that a large batch is never whole in
/// memory uncompressed.
pub const BLOCK_BYTES: usize = 4 << 20;

/// Bytes of what queries looked into lately of sealed segments that are kept for the next ones, over
/// all segments: chunks of columns, and pieces of dictionaries too large to be kept whole.
pub const CHUNKS_KEPT_BYTES_MAX: usize = 32 << 20;
pub const STRINGS_KEPT_BYTES_MAX: usize = 24 << 20;

/// Uncompressed bytes of events that one compressed body block holds, before the block is closed.
pub const BODY_BLOCK_BYTES: usize = 2 << 20;

/// zstd level of body blocks in the active segment, where they stay for minutes, of quarantined bytes,
/// and of body blocks in sealed segments.
pub const ACTIVE_ZSTD_LEVEL: i32 = -1;
pub const QUARANTINE_ZSTD_LEVEL: i32 = 1;
pub const SEALED_ZSTD_LEVEL: i32 = 3;
pub const MERGED_ZSTD_LEVEL: i32 = 6;

/// Rows that a listing returns unless told otherwise.
pub const ROWS_DEFAULT: u64 = 100;

/// Clients that may listen to arriving events at once, and how many of them read at once.
pub const LISTENERS_MAX: usize = 256;
pub const LISTENERS_READING_MAX: usize = 2;

/// A listener reads at most this often.
pub const LISTENER_PAUSE: Duration = Duration::from_millis(50);

/// A listener to whom nothing was sent for this long gets a sign of life.
pub const LISTENER_HEARTBEAT: Duration = Duration::from_secs(15);

/// A listener that is this many ids behind is told so.
pub const LISTENER_BEHIND_MAX: i64 = 50_000;

/// Answers of at most this many rows are complete before their headers are sent.
pub const PAGE_ROWS_MAX: u64 = 10_000;

/// Rows that one SQL statement may return through the API unless told otherwise.
pub const SQL_ROWS_DEFAULT: u64 = 1000;

/// Buckets that an automatic histogram stays below, and the most that any may have.
pub const BUCKETS_AUTO: i64 = 60;
pub const BUCKETS_MAX: i64 = 10_000;

/// Groups that one count may have; they are held in memory.
pub const COUNT_GROUPS_MAX: usize = 2_000_000;

/// Bytes of texts that the groups of one count may have; they are held in memory too.
pub const COUNT_TEXT_BYTES_MAX: usize = 256 << 20;

/// Groups of a count that are kept of a sealed segment while its file is open, and bytes of all that are
/// kept of one segment.
pub const SEGMENT_COUNTS_GROUPS_MAX: usize = 32_768;
pub const SEGMENT_COUNTS_BYTES_MAX: usize = 4 << 20;

/// Columns that one count tells groups apart by.
pub const COUNT_COLUMNS_MAX: usize = 4;

/// How long one SQL statement or one listing may run.
pub const QUERY_TIME: Duration = Duration::from_secs(10);

/// Bytes of result values that one SQL statement may return.
pub const SQL_RESULT_BYTES_MAX: usize = 64 << 20;

/// The longest string or blob that SQL may hold: one that comes from an event.
pub const SQL_LENGTH_BYTES_MAX: i32 = 64 << 20;

/// The longest string or blob that SQL may build. Beside longer values of events it may be twice as
/// long as they are and this on top, because a sorted row holds them together.
pub const SQL_BUILT_BYTES_MAX: i32 = 4 << 20;

/// Memory that all SQL statements together may take.
pub const SQL_MEMORY_TOTAL_BYTES_MAX: usize = 512 << 20;

/// Bytes of temporary files that one SQL statement may write while it sorts or groups.
pub const SQL_TEMP_BYTES_MAX: u64 = 4 << 30;

/// Memory that one SQL statement may take.
pub const SQL_MEMORY_BYTES_MAX: usize = 256 << 20;

/// Writes that a history reads on behalf of a row before it looks up the row's object alone, which costs
/// about as much.
pub const HISTORY_LOOKUP_ROWS: usize = 256;

/// Events that are held at once while audit ids are looked for that stand for several requests: 40
/// bytes each. Of more, those of some ids are looked at in a pass of their own.
pub const REUSED_IDS_HELD_MAX: usize = 1 << 19;

/// SQL statements and listings that run at once; more wait, then get 503.
pub const QUERIES_MAX: usize = 4;

/// How many queries may wait for their turn, and how long.
pub const QUERIES_WAITING_MAX: usize = 64;
pub const QUERY_WAIT: Duration = Duration::from_secs(5);

/// Nesting beyond which a body cannot be read as JSON by SQL (SQLite's own limit is 1,000).
pub const BODY_DEPTH_MAX: usize = 1000;

/// Of what is read from inside an event's bodies into columns: the longest single text, and the
/// longest list as JSON. What is cut ends in `...`, a list in the element `...`.
pub const FACT_TEXT_BYTES_MAX: usize = 1024;
pub const FACT_LIST_BYTES_MAX: usize = 64 << 10;

/// Elements of one kind that are gathered from one body at most, before equal ones become one.
pub const FACT_ELEMENTS_MAX: usize = 8192;

/// The longest cluster name, in bytes.
pub const CLUSTER_BYTES_MAX: usize = 128;

/// The longest reason kept with a quarantined item, in bytes.
pub const REASON_BYTES_MAX: usize = 400;

/// The largest file of a question or a shared table, in bytes.
pub const QUESTION_FILE_BYTES_MAX: u64 = 256 << 10;

/// The most bytes of a message about somebody's own file: it may repeat a word of any length.
pub const OWN_FILE_ERROR_BYTES_MAX: usize = 4 << 10;

/// The largest file that defines a report, in bytes, and the most pieces of evidence in it.
pub const REPORT_FILE_BYTES_MAX: u64 = 256 << 10;
pub const REPORT_EVIDENCE_MAX: usize = 500;

/// How long a report may take to be made.
pub const REPORT_TIME: Duration = Duration::from_secs(60);

/// The most rows of a piece of evidence that a definition may show in the report itself.
pub const REPORT_ROWS_SHOWN_MAX: usize = 1000;

/// The most rows of a piece of evidence that are counted and written beside the report.
pub const REPORT_ROWS_MAX: u64 = 100_000;

/// The most bytes of values of a piece of evidence; below what a SQL statement may return.
pub const REPORT_EVIDENCE_BYTES_MAX: usize = 60 << 20;

/// The longest text in a cell of the report itself; longer ones stand whole in the file beside it.
pub const REPORT_CELL_BYTES_MAX: usize = 4 * REPORT_CELL_CHARS_MAX;

/// The most letters of one value that a table for people shows. What was cut to the bytes above is
/// longer than this, so it is seen to be cut.
pub const REPORT_CELL_CHARS_MAX: usize = 400;

/// The most stretches without events that a report lists: the longest.
pub const REPORT_SILENCES_MAX: usize = 200;

/// The most bars of a report's chart.
pub const REPORT_STEPS_MAX: i64 = 120;

/// The largest document that is checked.
pub const REPORT_DOCUMENT_BYTES_MAX: u64 = 256 << 20;

/// How long a scheduled report may take: it gives way to everything else.
pub const REPORT_SCHEDULED_TIME: Duration = Duration::from_secs(600);

/// How often a schedule is looked at.
pub const REPORT_SCHEDULE_ROUND: Duration = Duration::from_secs(60);

/// Periods whose reports are made up for after a time without the server: the last ones.
pub const REPORT_CATCH_UP_MAX: usize = 7;

/// How often the report of a period is tried, and how long to wait after it failed.
pub const REPORT_TRIES_MAX: usize = 3;
pub const REPORT_RETRY_WAIT: Duration = Duration::from_secs(3600);

/// Stretches without events, and clusters, that a report lists: the longest, and those with the
/// most events.
pub const REPORT_LISTED_MAX: usize = 40;
