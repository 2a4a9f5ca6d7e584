/*
title = "Which exec, attach and port-forward sessions have started and not ended"
group = "operations"
answers = "One row per session that was connected and has no recorded end, newest first."
cannot_see = "A session whose end was lost because the apiserver stopped, or left out by the audit policy, looks open for ever. Where the policy omits ResponseStarted, an open session has no event yet. What was typed into it. Calls that the audit policy left out."
level = "Metadata"
tags = ["attack:T1609"]

[columns]
started = "when the session was connected"
user = "who asked"
as_user = "whom they impersonated"
subresource = "exec, attach or portforward"
namespace = "its namespace"
name = "the pod"
command = "command of an exec with its arguments, a JSON array"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
with over as materialized (
  select cluster, audit_id, user, request_uri, received_time
  from events
  where resource = 'pods'
    and subresource in ('exec', 'attach', 'portforward')
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster
    and subresource match :subresource
    and namespace match :namespace
    and user match :user
    and time >= :since
)
select
  time as started, user, impersonated_user as as_user, subresource, namespace, name, command,
  source_ip, user_agent, cluster, audit_id
from events as opened
where resource = 'pods'
  and subresource in ('exec', 'attach', 'portforward')
  and stage = 'ResponseStarted'
  and outcome = 'upgraded'
  and cluster match :cluster
  and subresource match :subresource
  and namespace match :namespace
  and name match :name
  and user match :user
  and time >= :since and time < :until
  -- Clients choose audit IDs, so that alone does not tell sessions apart.
  and not exists (
    select 1 from over
    where over.audit_id = opened.audit_id
      and over.received_time is opened.received_time
      and over.request_uri is opened.request_uri
      and over.user is opened.user
      and over.cluster is opened.cluster
  )
order by time desc, id desc
