-- An active segment: committed batches in order of arrival, one row per block of up to 4,000 events.
create table block (
    first_id integer primary key,  -- id of the block's first event in order of arrival
    stored_time integer not null,  -- microseconds, UTC
    dead blob not null,            -- row numbers of duplicates, as differences in LEB128
    data blob not null,            -- columns and dictionaries, zstd
    keys blob not null,            -- 16 bytes per row: identity of the content
    bodies blob not null,          -- bodies, one zstd frame per class
    checksum integer not null      -- over all of these
) strict;

-- What became of each committed batch.
create table ingest (
    stored_time integer not null,
    cluster text not null,
    source text not null,
    events integer not null,
    duplicates integer not null,
    quarantined integer not null,
    checksum integer               -- over all of these
) strict;

-- Items that could not be understood.
create table quarantine (
    id integer primary key,        -- from the same sequence as event ids
    stored_time integer not null,
    cluster text not null,
    source text not null,
    origin text not null,
    reason text not null,
    bytes integer not null,
    digest blob not null,          -- SHA-256 over cluster and bytes
    duplicates integer not null,
    checksum integer               -- over all of these but duplicates
) strict;
create index quarantine_digest on quarantine (digest);

create table quarantine_part (
    id integer not null,
    part integer not null,
    data blob not null,            -- zstd
    primary key (id, part)
) strict, without rowid;
