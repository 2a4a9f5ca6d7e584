/*
title = "When is the cluster busy, and with what outcome"
group = "operations"
answers = "One row per hour (UTC) and outcome, in order of time. A call counts in the hour in which it ended."
cannot_see = "Calls that never ended, and those that the audit policy left out: audit events are not the apiserver's whole load."
level = "Metadata"
tags = []
since = "1d"

[columns]
hour = "beginning of the hour"
outcome = "success, denied_authz, conflict, ..."
calls = "how many calls ended"
*/
with ended as (
  select hour, outcome, events
  from event_counts
  where stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster
    and user match :user
    and verb match :verb
    and resource match :resource
    and namespace match :namespace
    and outcome match :outcome
    and time >= :since and time < :until
  union all
  -- Refused before anybody was authenticated: the only event of such a call.
  select hour, outcome, events
  from event_counts
  where stage = 'ResponseStarted' and user is null
    and cluster match :cluster
    and user match :user
    and verb match :verb
    and resource match :resource
    and namespace match :namespace
    and outcome match :outcome
    and time >= :since and time < :until
)
select substr(ended.hour, 1, 13) || ':00:00Z' as hour, outcome, sum(events) as calls
from ended
group by 1, outcome
order by 1, calls desc
