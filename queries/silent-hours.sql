/*
title = "Hours in which nothing was recorded"
group = "compliance"
answers = "One row per stretch of whole hours without any event of a cluster that had events before, the latest first. A running apiserver makes events every minute (leases, probes), so an hour without any is a cluster that was off, an audit log that was off, or events that were lost."
cannot_see = "Which of these it was. Silences shorter than an hour (see silent-sources), and events that are missing while others came."
level = "Metadata"
tags = ["pci-dss:10.2.1.6", "pci-dss:10.7", "nist-800-53:AU-5"]

[params]
longer_than = { type = "duration", default = "1h", help = "Least length of a silence" }

[columns]
cluster = "where"
still = "1 when it is silent until now, or until --until"
silent_from = "first hour without events"
silent_until = "first hour with events again; NULL when still silent"
hours = "whole hours without events"
events_before = "events in the hour before"
*/
with
hours as (
  select cluster, hour, sum(events) as events
  from event_counts
  where cluster match :cluster and time >= :since and time < :until
  group by cluster, hour
),
gaps as (
  select
    cluster, hour, events as events_before,
    lead(hour) over (partition by cluster order by hour) as next
  from hours
),
ends as materialized (
  select unixepoch(min(:until, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))) as at
)
select
  cluster, next is null as still,
  strftime('%Y-%m-%dT%H:%M:%S.000000Z', hour, '+1 hour') as silent_from,
  next as silent_until,
  (coalesce(unixepoch(next), ends.at) - unixepoch(hour)) / 3600 - 1 as hours, events_before
from gaps, ends
where coalesce(unixepoch(next), ends.at) - unixepoch(hour) - 3600 >= max(3600, :longer_than / 1000000)
order by silent_from desc, cluster
