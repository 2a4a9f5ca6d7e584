/*
title = "Who was throttled, and which evictions were refused"
group = "operations"
answers = "One row per user, verb and resource with answers of 429, most first. throttled is the apiserver protecting itself (priority and fairness); eviction_blocked is a disruption budget doing its work."
cannot_see = "Requests that waited in a queue and then went through. Clients that throttle themselves. Calls that the audit policy left out."
level = "Metadata"
tags = []

[columns]
outcome = "throttled, or eviction_blocked"
user = "who asked"
verb = "what was asked"
resource = "resource"
subresource = "its subresource"
calls = "how many"
namespaces = "in how many namespaces"
first = "when the first one ended"
last = "when the last one ended"
message = "what the apiserver said last"
cluster = "where"
*/
select
  outcome, user, verb, resource, subresource, count(*) as calls,
  count(distinct namespace) as namespaces, min(time) as first, max(time) as last,
  substr(max(time || coalesce(message, '')), length('2026-01-01T00:00:00.000000Z') + 1) as message,
  cluster
from events
where outcome in ('throttled', 'eviction_blocked')
  and stage in ('ResponseComplete', 'Panic')
  and outcome match :outcome
  and cluster match :cluster
  and user match :user
  and verb match :verb
  and resource match :resource
  and namespace match :namespace
  and time >= :since and time < :until
group by outcome, user, verb, resource, subresource, cluster
order by calls desc, last desc
