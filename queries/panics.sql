/*
title = "Which requests made a handler panic"
group = "operations"
answers = "One row per request that ended in the stage Panic, newest first. Most are no bugs: the apiserver ends a broken proxied answer, and a request that timed out half-way, like this."
cannot_see = "What the client got: a header of 200 may have been sent already. The stack, which is in the apiserver's own log. Calls that the audit policy left out."
level = "Metadata"
tags = []

[columns]
time = "when the request ended"
kind = "aborted for an answer that was broken off, panic for anything else"
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
  time, case when message like '%abort Handler%' then 'aborted' else 'panic' end as kind, user, verb,
  resource, subresource, namespace, name, message, latency_us / 1e6 as seconds, source_ip, user_agent,
  request_uri, cluster, audit_id
from events
where outcome = 'panic'
  and stage = 'Panic'
  and cluster match :cluster
  and user match :user
  and verb match :verb
  and resource match :resource
  and namespace match :namespace
  and name match :name
  and time >= :since and time < :until
order by time desc, id desc
