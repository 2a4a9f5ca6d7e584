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
with counted as (
  select
    cluster, user, sum(events) as events,
    sum(iif(stage in ('ResponseComplete', 'Panic'), events, 0)) as answered,
    sum(iif(stage in ('ResponseComplete', 'Panic') and outcome glob 'denied_*', events, 0))
      as refused,
    min(first_time) as first_time, max(last_time) as last_time
  from event_counts
  where user is not null
    and cluster match :cluster
    and user match :user
    and time >= :since and time < :until
  group by cluster, user
)
select
  user, events, answered, refused, substr(first_time, 1, 13) || ':00:00.000000Z' as first_hour,
  substr(last_time, 1, 13) || ':00:00.000000Z' as last_hour, cluster
from counted
order by last_hour desc, events desc, user, cluster
