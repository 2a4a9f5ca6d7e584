/*
rows = "One row: hours with events (hours) of the whole hours of the time range (asked), whether there is any event (heard), stretches without any event of a cluster (gaps), these in words (told), and events that retention removed (gone)."
tables = ["whole-hours", "silences"]
*/
with
found as (
  select count(*) as gaps, sum(hours) as silent, count(distinct cluster) as clusters
  from silences
),
heard as (
  select count(*) as any_hours, coalesce(sum(hour >= first and hour < after), 0) as hours
  from (
    select hour from event_counts
    where cluster match :cluster and time >= :since and time < :until
    group by hour
  ), whole_hours
)
select
  hours, max(0, (unixepoch(after) - unixepoch(first)) / 3600) as asked, any_hours > 0 as heard, gaps,
  format('hours without any event%s: %,d, in stretches: %d',
    iif(clusters > 1, format(', added up over %d clusters', clusters), ''), silent, gaps) as told,
  (select coalesce(sum(events), 0) from pruned
    where newest >= :since and oldest < :until) as gone
from found, heard, whole_hours
