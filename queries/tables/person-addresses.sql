/*
rows = "One row: those of :person that are IP addresses or networks, as a list; only addresses can be looked for among addresses."
tables = ["person-words"]
materialized = true
*/
-- Nobody has the address that stands in for none.
select coalesce(group_concat(word, ','), '255.255.255.255') as words
from person_words
where word glob '[0-9]*.[0-9]*.[0-9]*.[0-9]*' and word not glob '*[^0-9./]*'
  or (word glob '*::*' or word glob '*:*:*:*:*:*:*:*') and word not glob '*[^0-9a-fA-F:./]*'
