/*
rows = "The verdict on whether an audit policy is in force: events of the last day of the time range show it."
*/
with
hours as materialized (
  select cluster, hour, sum(events) as events
  from event_counts
  where cluster match :cluster and time >= :since and time < :until
  group by cluster, hour
),
heard as (
  select cluster, sum(events) as events, max(hour) as newest from hours group by cluster
),
figures as (
  select
    coalesce(sum(events), 0) as events, count(*) as clusters, min(newest) as newest,
    (unixepoch(min(:until, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))) - unixepoch(min(newest))) / 3600
      as silent
  from heard
)
select
  iif(events = 0 or silent > 24, 'not enough data', 'met') as verdict,
  case
    when events = 0 then 'no event in the time range'
    when silent > 24 then format(
      '%,d events are in the store (clusters: %d), but %s in the last %,d hours of the time range: auditing was on, whether it still was then does not show',
      events, clusters, iif(clusters = 1, 'none', 'of one of them none'), silent - 1)
    else format(
      '%,d events are in the store (clusters: %d), so auditing is on and a policy is in force',
      events, clusters)
  end as why
from figures
