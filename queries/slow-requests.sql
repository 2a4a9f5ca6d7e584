/*
title = "Which requests took long"
group = "operations"
answers = "One row per request that took at least --at-least from being received to its end, slowest first. Watches, sessions and followed logs take long by design and are left out."
cannot_see = "Where the time went: auditql show has the apiserver.latency.k8s.io annotations of requests beyond 500 ms. Time before the apiserver received the request. Calls that the audit policy left out."
level = "Metadata"
tags = []
since = "1d"

[params]
at_least = { type = "duration", default = "1s", help = "Shortest duration that counts" }

[columns]
time = "when the request ended"
seconds = "how long it took"
user = "who asked"
verb = "what was asked"
resource = "resource"
subresource = "its subresource"
namespace = "its namespace"
name = "its name"
outcome = "success, denied_authz, conflict, ..."
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
request_uri = "path and query as sent"
cluster = "where"
audit_id = "for auditql show"
*/
select
  time, latency_us / 1e6 as seconds, user, verb, resource, subresource, namespace, name, outcome,
  source_ip, user_agent, request_uri, cluster, audit_id
from events
where latency_us >= :at_least
  and stage in ('ResponseComplete', 'Panic')
  and verb not in ('watch', 'proxy')
  and subresource match '!exec,!attach,!portforward,!proxy,!log'
  and path not like '/debug/pprof/%'
  and cluster match :cluster
  and user match :user
  and verb match :verb
  and resource match :resource
  and namespace match :namespace
  and name match :name
  and outcome match :outcome
  and time >= :since and time < :until
order by latency_us desc, id desc
