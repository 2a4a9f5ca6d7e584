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
select
  requests.time as started, requests.user, requests.impersonated_user as as_user,
  requests.subresource, requests.namespace, requests.name, events.command, requests.source_ip,
  requests.user_agent, requests.cluster, requests.audit_id
from requests join events
  on events.id = requests.last_event_id and events.audit_id = requests.audit_id
where requests.resource = 'pods'
  and requests.subresource in ('exec', 'attach', 'portforward')
  and requests.open = 1
  and requests.cluster match :cluster
  and requests.subresource match :subresource
  and requests.namespace match :namespace
  and events.name match :name
  and requests.user match :user
  and requests.received_time >= :since and requests.received_time < :until
order by started desc
