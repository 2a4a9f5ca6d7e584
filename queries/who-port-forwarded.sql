/*
title = "Who forwarded ports of a pod"
group = "who"
answers = "One row per call, whichever of its stages were recorded and whether it came as POST or over a WebSocket as GET, newest first; refused ones, too."
cannot_see = "The ports, unless they stand in the URI: clients name them inside the connection. A forward to the kubelet through nodes/proxy. What was sent."
level = "Metadata"
tags = ["attack:T1572"]

[columns]
started = "when the request arrived"
user = "who asked; NULL when nobody was authenticated"
as_user = "whom they impersonated"
namespace = "its namespace"
name = "the pod"
ports = "ports in the URI; NULL when they were named inside the connection"
outcome = "success, denied_authz, not_found, ..."
ended = "when the session ended; NULL while open, or when the end was not recorded"
open = "1 when it was connected and no end was recorded"
seconds = "how long it lasted"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  ifnull(e.received_time, e.time) as started, e.user, e.impersonated_user as as_user, e.namespace,
  e.name, case when instr(e.request_uri, 'ports=') > 0
    then substr(substr(e.request_uri, instr(e.request_uri, 'ports=') + 6), 1,
      instr(substr(e.request_uri, instr(e.request_uri, 'ports=') + 6) || '&', '&') - 1)
  end as ports, e.outcome,
  case when e.stage in ('ResponseComplete', 'Panic') then e.time end as ended,
  e.stage = 'ResponseStarted' and e.outcome in ('upgraded', 'success') as open,
  case when e.stage in ('ResponseComplete', 'Panic') then round(e.latency_us / 1e6, 3) end as seconds,
  e.source_ip, e.user_agent, e.cluster, e.audit_id
from events as e
where e.resource = 'pods' and e.subresource = 'portforward'
  and e.cluster match :cluster
  and e.namespace match :namespace
  and e.name match :name
  and e.user match :user
  and e.outcome match :outcome
  and e.source_ip match :source_ip
  and e.time >= :since and e.time < :until
  and (e.stage in ('ResponseComplete', 'Panic') or not exists (
    select 1 from events as later
    where later.audit_id = e.audit_id and later.received_time = e.received_time
      and later.request_uri = e.request_uri and later.user is e.user and later.cluster = e.cluster
      and later.time >= e.time
      -- Some apiservers record two starts of one call.
      and case when later.stage = e.stage then later.time > e.time or later.id > e.id
        else e.stage = 'RequestReceived' or later.stage in ('ResponseComplete', 'Panic') end))
order by e.time desc, e.id desc
