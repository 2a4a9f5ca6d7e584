/*
rows = "One row: hours in which a cluster had events, stretches of hours without (gaps) and their hours (silent), and events that retention removed (gone)."
*/
with
ends as materialized (
  select min(:until, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) as at
),
heard as (
  select cluster, hour, 1 as inside
  from event_counts
  where cluster match :cluster and time >= :since and time < :until
  group by cluster, hour
  union all
  -- A cluster that was there before is heard last in the hour before the time range.
  select cluster, strftime('%Y-%m-%dT%H:00:00.000000Z', :since, '-1 hour'), 0
  from event_counts
  where cluster match :cluster and time < :since
  group by cluster
),
hours as (
  select cluster, hour, inside, lead(hour) over (partition by cluster order by hour) as next
  from heard
),
stretches as (
  select inside, (unixepoch(coalesce(next, ends.at)) - unixepoch(hour)) / 3600 - 1 as silent
  from hours, ends
)
select coalesce(sum(inside), 0) as hours, coalesce(sum(silent > 0), 0) as gaps,
  coalesce(sum(max(silent, 0)), 0) as silent,
  (select coalesce(sum(events), 0) from pruned
    where newest >= :since and oldest < :until) as gone
from stretches
