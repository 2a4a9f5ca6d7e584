/*
rows = "The verdict on whether an audit policy is in force: events of the last day of the time range show it, of each cluster that the store knows of."
*/
with
known as materialized (
  select cluster, max(last_time) as newest
  from event_counts
  where cluster match :cluster and time < :until
    -- An event from the future says nothing of today.
    and time <= strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+1 second')
  group by cluster
),
ends as materialized (
  select unixepoch(min(:until, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))) as at
),
silent as materialized (
  select cluster, (ends.at - unixepoch(newest)) / 3600 as hours
  from known, ends
  where ends.at - unixepoch(newest) > 86400
  order by hours desc, cluster
),
figures as (
  select
    (select coalesce(sum(events), 0) from event_counts
      where cluster match :cluster and time >= :since and time < :until) as events,
    (select count(*) from known) as clusters,
    (select count(*) from silent) as without,
    (select cluster from silent limit 1) as longest,
    (select hours from silent limit 1) as hours
)
select
  iif(events = 0 or without > 0, 'not enough data', 'met') as verdict,
  case
    when events = 0 then 'no event in the time range'
    when without > 0 then format(
      '%,d events are in the time range, but%s none is from the last day: auditing was on, whether it still was then does not show; the last event of cluster %s came %,d hours before the end',
      events, iif(clusters = 1, '', format(' of %d of %d clusters', without, clusters)), longest, hours)
    else format(
      '%,d events are in the time range, of each cluster (clusters: %d) some in its last day, so auditing is on and a policy is in force',
      events, clusters)
  end as why
from figures
