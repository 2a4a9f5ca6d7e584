/*
title = "Audit IDs that stand for more than one request"
group = "data-quality"
answers = "One row per audit ID of a cluster under which different requests were recorded, the latest first. Clients may choose the ID: reuse hides requests from tools that drop events with an ID they have seen."
cannot_see = "Reuse of an ID that is further apart than the time range. IDs that were chosen but used once. The same event sent again is stored once and is not shown."
level = "Metadata"
tags = ["attack:T1562.008"]
since = "1h"

[columns]
audit_id = "the ID"
requests = "how many different requests have it"
events = "how many events"
users = { json = "who made them, a JSON array" }
request_uris = { json = "what they asked for, a JSON array" }
outcomes = { json = "what became of them, a JSON array" }
source_ips = { json = "addresses that no client can forge, a JSON array" }
client_ips = { json = "first recorded addresses, as claimed, a JSON array" }
first_time = "the first"
last_time = "the last"
cluster = "where"
*/
with reused as materialized (
  select cluster, audit_id
  from reused_audit_ids
  where cluster match :cluster
    and time >= :since and time < :until
)
select
  audit_id,
  count(distinct coalesce(user, '') || ' ' || coalesce(verb, '') || ' ' || coalesce(request_uri, '')
    || ' ' || coalesce(received_time, '')) as requests,
  count(*) as events,
  json_group_array(distinct user) filter (where user is not null) as users,
  json_group_array(distinct request_uri) as request_uris,
  json_group_array(distinct outcome) filter (where outcome <> 'pending') as outcomes,
  json_group_array(distinct source_ip) filter (where source_ip is not null) as source_ips,
  json_group_array(distinct client_ip) filter (where client_ip is not null) as client_ips,
  min(time) as first_time, max(time) as last_time, events.cluster
from events
where audit_id in (select audit_id from reused)
  and cluster match :cluster
  and time >= :since and time < :until
  and (events.cluster, audit_id) in (select cluster, audit_id from reused)
group by events.cluster, audit_id
order by last_time desc, audit_id
