-- A sealed segment. Immutable. `id` of a piece: its kind << 40 | column << 32 | number.
-- Rows stand in order of time; row r of a column is in chunk r / 4000.

-- Fixed-width columns: value = base + big-endian number of `width` hexadecimal digits. Text columns
-- hold string ids (0 is absent); audit ids are 32 digits without a base.
create table chunk (
    id integer primary key,
    base integer not null,
    width integer not null,
    data blob not null,
    checksum integer not null
) strict;

-- Dictionaries: JSON arrays of 128 sorted strings; ids count from 1. The first string of an array
-- stands whole; the others begin with a character for how much of it comes before (see the view).
create table strings (
    id integer primary key,
    data text not null,
    checksum integer not null
) strict;

-- Everything else: header, row lists, content keys, filter, indexes.
create table piece (
    id integer primary key,
    data blob not null,
    checksum integer not null
) strict;

-- Which blocks of bodies hold which n-grams; apart, so that bodies and this are each written in order.
create table ngrams (
    id integer primary key,
    data blob not null,
    checksum integer not null
) strict;

-- Bodies in clustered order, zstd frames of about 2 MiB of events.
create table body (
    id integer primary key,
    data blob not null,
    checksum integer not null
) strict;
