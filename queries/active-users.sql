/*
title = "Which users were active, and when last"
group = "compliance"
answers = "One row per user and cluster with its events in the time range and the hours of the first and the last, the latest first. Requests that were refused before anybody was authenticated (401) have no user and are not there."
cannot_see = "Users who did nothing, and those whose requests the audit policy leaves out. Several people behind one name. Whom users impersonated (impersonation)."
level = "Metadata"
tags = ["pci-dss:8.2.6", "nist-800-53:AU-7"]

[columns]
user = "the authenticated user"
events = "events, all stages"
answered = "requests that ended"
refused = "of these, refused"
first_hour = "hour of the first event"
last_hour = "hour of the last one"
cluster = "where"
*/
with active as (
  select cluster, user, events, first_time, last_time
  from event_counts
  where user is not null
    and cluster match :cluster
    and user match :user
    and time >= :since and time < :until
),
answered as materialized (
  select cluster, user, events
  from event_counts
  where user is not null
    and stage match 'ResponseComplete,Panic'
    and cluster match :cluster
    and user match :user
    and time >= :since and time < :until
),
refused as materialized (
  select cluster, user, events
  from event_counts
  where user is not null
    and stage match 'ResponseComplete,Panic'
    and outcome match 'denied_*'
    and cluster match :cluster
    and user match :user
    and time >= :since and time < :until
)
select
  user, active.events, ifnull(answered.events, 0) as answered,
  ifnull(refused.events, 0) as refused, substr(first_time, 1, 13) || ':00:00.000000Z' as first_hour,
  substr(last_time, 1, 13) || ':00:00.000000Z' as last_hour, cluster
from active
  left join answered using (cluster, user)
  left join refused using (cluster, user)
order by last_hour desc, active.events desc, user, cluster
