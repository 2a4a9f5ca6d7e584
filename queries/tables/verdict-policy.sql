/*
rows = "The verdict on whether an audit policy is in force."
*/
select
  iif(events = 0, 'not enough data', 'met') as verdict,
  iif(events = 0, 'no event in the time range', format(
    '%,d events are in the store (clusters: %d), so auditing is on and a policy is in force',
    events, clusters)) as why
from (
  select coalesce(sum(events), 0) as events, count(distinct cluster) as clusters
  from event_counts
  where cluster match :cluster and time >= :since and time < :until
)
