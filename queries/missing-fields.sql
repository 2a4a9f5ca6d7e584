/*
title = "Which fields events lack, by level and stage"
group = "data-quality"
answers = "One row per cluster, level, stage and field that some events lack: how many and which share of them, the largest share first. A share that jumps is a changed policy, a proxy that strips, or a tool that rewrites."
cannot_see = "Whether an event should have the field. Rightly absent are: code, outcome's reasons and decision at RequestReceived; user at 401s; resource, namespace and name for other paths and for lists; decision for denied impersonation and 401s. Bodies are not looked at."
level = "Metadata"
since = "1h"

[columns]
field = "field that is missing"
level = "level of the events"
stage = "stage of the events"
events = "events of this level and stage"
missing = "of these, without the field"
share = "missing by events, 0 to 1"
cluster = "where"
*/
with counted as materialized (
  select
    cluster, level, stage, count(*) as events,
    json_object(
      'audit_id', count(audit_id), 'verb', count(verb), 'user', count(user),
      'user_groups', count(user_groups), 'source_ips', count(source_ips),
      'user_agent', count(user_agent), 'request_uri', count(request_uri),
      'resource', count(resource), 'namespace', count(namespace), 'name', count(name),
      'code', count(code), 'decision', count(decision), 'received_time', count(received_time),
      'time', count(*) - count(time_quality), 'credential_id', count(credential_id)
    ) as present
  from events
  where cluster match :cluster
    and level match :level
    and stage match :stage
    and verb match :verb
    and resource match :resource
    and time >= :since and time < :until
  group by cluster, level, stage
)
select
  field.key as field, level, stage, events, events - field.value as missing,
  round(1.0 * (events - field.value) / events, 4) as share, cluster
from counted, json_each(present) as field
where field.value < events
order by share desc, events desc, cluster, level, stage, field
