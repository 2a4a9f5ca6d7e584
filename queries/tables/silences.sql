/*
rows = "A stretch of whole hours of the time range in which nothing was recorded of a cluster that had events before: silent_from, silent_until (the first hour with events again; NULL when still silent), hours, events_before (in the hour before; NULL when the time range has none in it)."
tables = ["whole-hours"]
materialized = true
*/
with
heard as materialized (
  select cluster, hour, sum(events) as events
  from event_counts
  where cluster match :cluster and time >= :since and time < :until
  group by cluster, hour
),
-- From when on hours without events say something: those are whole, and retention removed nothing.
kept (hour) as materialized (
  select coalesce(max(iif(
    before > strftime('%Y-%m-%dT%H:00:00.000000Z', before),
    strftime('%Y-%m-%dT%H:00:00.000000Z', before, '+1 hour'), before)), first)
  from whole_hours left join pruned on before > :since
),
starts as materialized (
  select cluster, max(kept.hour, min(known.hour)) as hour
  from (
    select cluster, hour from heard
    union all
    -- A cluster that was there before the time range can be silent from its beginning.
    select cluster, (select first from whole_hours) from event_counts
    where cluster match :cluster and time < :since
    group by cluster
  ) as known, kept
  group by cluster
),
points as (
  select cluster, strftime('%Y-%m-%dT%H:00:00.000000Z', hour, '-1 hour') as hour from starts
  union all
  select heard.cluster, heard.hour
  from heard join starts on starts.cluster = heard.cluster and heard.hour >= starts.hour
  where heard.hour <= strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
),
steps as (
  select cluster, strftime('%Y-%m-%dT%H:00:00.000000Z', hour, '+1 hour') as silent_from,
    lead(hour) over (partition by cluster order by hour) as next, hour as before
  from points
)
select
  steps.cluster, silent_from, next as silent_until,
  (unixepoch(min(coalesce(next, after), after)) - unixepoch(silent_from)) / 3600 as hours,
  heard.events as events_before
from steps join whole_hours
  left join heard on heard.cluster = steps.cluster and heard.hour = steps.before
where min(coalesce(next, after), after) > silent_from
