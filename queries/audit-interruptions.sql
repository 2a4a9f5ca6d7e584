/*
title = "When the recording of events began, stopped, paused or lost something"
group = "compliance"
answers = "One row per interruption that the store knows of, newest first: an apiserver that started, whole hours without events, times in which nothing came in from a webhook, and events that retention removed; and the first event of a cluster, when it lies in the time range."
cannot_see = "Who stopped it, and changes of the audit policy itself (policy-exceptions shows levels that changed). Stops of AuditQL, other than by what they left out. An apiserver that came back under its old lease."
level = "Metadata"
tags = ["pci-dss:10.2.1.6", "pci-dss:10.7", "nist-800-53:AU-5"]
tables = ["silences"]

[params]
longer_than = { type = "duration", default = "10m", help = "Least time in which nothing came in" }

[columns]
time = "when it began"
what = "recording began, oldest event left (retention removed older ones), an apiserver started, no events, nothing came in, or retention removed events"
until = "when it ended; NULL when it has not, or took no time"
seconds = "how long it was; of no events the whole hours of the time range"
detail = "figures"
cluster = "where; NULL for all of the store"
*/
with
ends as materialized (
  select min(:until, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) as at
),
known as materialized (
  select cluster, min(first_time) as began
  from event_counts
  where cluster match :cluster and time < :until
  group by cluster
),
arrivals as (
  select cluster, stored_time, events + duplicates + quarantined as items,
    lead(stored_time) over (partition by cluster order by stored_time) as next
  from ingest_log
  where source = 'webhook'
    and cluster in (select cluster from known)
    and stored_time >= :since and stored_time < :until
),
found (time, what, ended, seconds, detail, cluster) as (
  -- What was before it and is gone, nobody knows.
  select began, iif(removed.newest is null, 'recording began', 'oldest event left'), null, null,
    iif(removed.newest is null, 'the first event of the cluster', format(
      'retention removed events up to %s', substr(removed.newest, 1, 10))), cluster
  from known, (select max(newest) as newest from pruned) as removed
  where began >= :since
  union all
  select silent_from, 'no events', silent_until, hours * 3600,
    iif(events_before is null, 'none in the hour before either, or not in the time range',
      format('%,d events in the hour before', events_before)), cluster
  from silences
  union all
  select
    stored_time, 'nothing came in', next,
    cast(unixepoch(coalesce(next, ends.at), 'subsec') - unixepoch(stored_time, 'subsec')
      as integer),
    format('%,d items in the batch or minute before', items), cluster
  from arrivals, ends
  where (unixepoch(coalesce(next, ends.at), 'subsec') - unixepoch(stored_time, 'subsec')) * 1000000
    >= :longer_than
  union all
  select
    max(pruned_time), 'retention removed events', null, null,
    format('%,d events from %s to %s', sum(events), substr(min(oldest), 1, 10),
      substr(max(newest), 1, 10)), null
  from pruned
  where pruned_time >= :since and pruned_time < :until
  group by before
  union all
  select min(time), 'an apiserver started', null, null, 'lease ' || name, cluster
  from events
  where user = 'system:apiserver'
    and resource = 'leases'
    and verb = 'create'
    and name match 'apiserver-*'
    and stage = 'ResponseComplete'
    and outcome = 'success'
    and cluster match :cluster and time >= :since and time < :until
  group by cluster, name, substr(time, 1, 16)
)
select time, what, ended as until, seconds, detail, cluster
from found
order by time desc, what, cluster
