/*
title = "Which requests failed with a server error"
group = "operations"
answers = "One row per request that was answered with 5xx, newest first, with the message."
cannot_see = "Handlers that panicked are in panics. A request that the client saw time out may stand here with what its handler answered later. Calls that the audit policy left out."
level = "Metadata"
tags = []

[columns]
time = "when the request ended"
code = "HTTP status"
reason = "reason of the failure"
user = "who asked"
verb = "what was asked"
resource = "resource"
subresource = "its subresource"
namespace = "its namespace"
name = "its name"
message = "what the apiserver said"
seconds = "how long it took"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
request_uri = "path and query as sent"
cluster = "where"
audit_id = "for auditql show"
*/
select
  time, code, reason, user, verb, resource, subresource, namespace, name, message,
  latency_us / 1e6 as seconds, source_ip, user_agent, request_uri, cluster, audit_id
from events
where outcome = 'server_error'
  and stage in ('ResponseComplete', 'Panic')
  and cluster match :cluster
  and user match :user
  and verb match :verb
  and resource match :resource
  and namespace match :namespace
  and name match :name
  and code match :code
  and time >= :since and time < :until
order by time desc, id desc
