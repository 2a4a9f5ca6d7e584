-- Reports that were written on a schedule: one row per file, and one per failure or removal.
create table if not exists report (
    id integer primary key,
    made_at integer not null,      -- microseconds, UTC; of a removal when it was removed
    name text not null,
    since integer not null,
    until integer not null,
    form text not null,
    path text not null,
    sha256 text,
    made_for text not null,
    outcome text not null,         -- made, failed, removed, kept
    reason text,
    checksum integer not null      -- over all of these
) strict;
