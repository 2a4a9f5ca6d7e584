-- The ledger: what outlives segments. Filled from an active segment when it is sealed.
create table transferred (
    segment text primary key       -- active segments whose records are here already
) strict;

-- Received, stored, duplicate and quarantined counts per minute, cluster and source.
create table ingest (
    minute integer not null,       -- microseconds, UTC
    cluster text not null,
    source text not null,
    events integer not null,
    duplicates integer not null,
    quarantined integer not null,
    checksum integer,              -- over all of these; null: written by an earlier build
    primary key (minute, cluster, source)
) strict, without rowid;

create table quarantine (
    id integer primary key,
    stored_time integer not null,
    cluster text not null,
    source text not null,
    origin text not null,
    reason text not null,
    bytes integer not null,
    digest blob not null,
    duplicates integer not null,
    checksum integer               -- over all of these but duplicates
) strict;
create index quarantine_digest on quarantine (digest);

create table quarantine_part (
    id integer not null,
    part integer not null,
    data blob not null,
    primary key (id, part)
) strict, without rowid;

-- What retention removed, per segment that it removed events from.
create table pruned (
    segment text primary key,
    pruned_time integer not null,  -- microseconds, UTC
    before integer not null,       -- the cutoff
    events integer not null,
    oldest integer not null,
    newest integer not null
) strict;
