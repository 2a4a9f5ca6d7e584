/*
rows = "Each of the words of :person, as given; a comma in one stands without its backslash."
materialized = true
*/
with recursive cut(rest, word) as (
  select replace(:person, '\,', char(31)) || ',', null
  union all
  select
    substr(rest, instr(rest, ',') + 1),
    trim(replace(substr(rest, 1, instr(rest, ',') - 1), char(31), ','))
  from cut
  where rest <> ''
)
select word from cut where word is not null
