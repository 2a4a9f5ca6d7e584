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
with asked as not materialized (
  select
    cluster, level, stage, events, audit_id, verb, user, user_groups, source_ips, user_agent,
    request_uri, resource, namespace, name, code, decision, received_time, credential_id,
    time_quality
  from event_counts
  where summed = 1
    and cluster match :cluster
    and level match :level
    and stage match :stage
    and verb match :verb
    and resource match :resource
    and time >= :since and time < :until
),
counted as materialized (
  select cluster, level, stage, sum(events) as events
  from asked
  group by cluster, level, stage
),
lacking as (
  select 'audit_id' as field, cluster, level, stage, sum(events) as missing
  from asked
  where audit_id is null
  group by cluster, level, stage
  union all
  select 'verb', cluster, level, stage, sum(events)
  from asked
  where verb is null
  group by cluster, level, stage
  union all
  select 'user', cluster, level, stage, sum(events)
  from asked
  where user is null
  group by cluster, level, stage
  union all
  select 'user_groups', cluster, level, stage, sum(events)
  from asked
  where user_groups is null
  group by cluster, level, stage
  union all
  select 'source_ips', cluster, level, stage, sum(events)
  from asked
  where source_ips is null
  group by cluster, level, stage
  union all
  select 'user_agent', cluster, level, stage, sum(events)
  from asked
  where user_agent is null
  group by cluster, level, stage
  union all
  select 'request_uri', cluster, level, stage, sum(events)
  from asked
  where request_uri is null
  group by cluster, level, stage
  union all
  select 'resource', cluster, level, stage, sum(events)
  from asked
  where resource is null
  group by cluster, level, stage
  union all
  select 'namespace', cluster, level, stage, sum(events)
  from asked
  where namespace is null
  group by cluster, level, stage
  union all
  select 'name', cluster, level, stage, sum(events)
  from asked
  where name is null
  group by cluster, level, stage
  union all
  select 'code', cluster, level, stage, sum(events)
  from asked
  where code is null
  group by cluster, level, stage
  union all
  select 'decision', cluster, level, stage, sum(events)
  from asked
  where decision is null
  group by cluster, level, stage
  union all
  select 'received_time', cluster, level, stage, sum(events)
  from asked
  where received_time is null
  group by cluster, level, stage
  union all
  select 'credential_id', cluster, level, stage, sum(events)
  from asked
  where credential_id is null
  group by cluster, level, stage
  union all
  select 'time', cluster, level, stage, sum(events)
  from asked
  where time_quality is not null
  group by cluster, level, stage
)
select
  field, level, stage, events, missing,
  round(1.0 * missing / events, 4) as share, cluster
from lacking join counted using (cluster, level, stage)
order by share desc, events desc, cluster, level, stage, field
