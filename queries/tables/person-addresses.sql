/*
rows = "One row: those of :person that are IP addresses or networks, as a list; only addresses can be looked for among addresses."
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
-- Nobody has the address that stands in for none.
select coalesce(group_concat(word, ','), '255.255.255.255') as words
from cut
where word glob '[0-9]*.[0-9]*.[0-9]*.[0-9]*' and word not glob '*[^0-9./]*'
  or (word glob '*::*' or word glob '*:*:*:*:*:*:*:*') and word not glob '*[^0-9a-fA-F:./]*'
