/*
rows = "One row: the whole hours of the time range up to now, from first to before after. Part of an hour without events says nothing."
materialized = true
*/
with marks (since, until) as (
  select strftime('%Y-%m-%dT%H:00:00.000000Z', :since),
    strftime('%Y-%m-%dT%H:00:00.000000Z', min(:until, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')))
)
select
  iif(:since > since, strftime('%Y-%m-%dT%H:00:00.000000Z', since, '+1 hour'), since) as first,
  until as after
from marks
