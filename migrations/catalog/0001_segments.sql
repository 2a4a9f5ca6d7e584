-- The catalog: which files make up the store. It can be rebuilt from the files themselves.
create table setting (
    key text primary key,
    value text not null
) strict;

-- Grows by one with every change of the table `segment`; readers compare it.
insert into setting (key, value) values ('generation', '1');

create table segment (
    name text primary key,            -- file name within the data directory
    kind text not null check (kind in ('active', 'sealed')),
    oldest integer not null,          -- event times, microseconds; 0 while active
    newest integer not null,
    events integer not null,
    raw_bytes integer not null,
    truncated integer not null,       -- events whose bodies the apiserver cut off
    untimed integer not null,         -- events without any time of their own
    last_id integer not null,
    file_bytes integer not null,
    header_checksum integer not null, -- of the sealed file's header
    file_checksum text not null       -- SHA-256 of the sealed file, hexadecimal
) strict;

-- Files that were taken out of the store; those still there are removed at the next start.
create table removed (
    name text primary key
) strict;
