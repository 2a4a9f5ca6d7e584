/*
title = "Who acted, or tried to act, as somebody else"
group = "access"
answers = "One row per call with impersonation, newest first: allowed ones with whom they became and what came of the call, refused ones with what the apiserver said they wanted."
cannot_see = "Whom a refused caller wanted to be, where the apiserver names only the permission that is missing (constrained impersonation): wanted is NULL then. Impersonation within proxies in front of the apiserver looks like the proxy's own."
level = "Metadata"
tags = ["pci-dss:10.2.1.5", "attack:T1134"]

[params]
as_user = { type = "words", help = "Whom they became: system:admin, system:*; leaves out refused ones" }
extra = { type = "flag", help = "Show extra attributes too, which takes reading every event that is shown" }

[columns]
time = "when the request ended; when it began for one that goes on"
user = "who really asked"
allowed = "1 when the impersonation was allowed, whatever came of the call"
as_user = "whom they became; NULL when refused"
as_groups = "with which groups, a JSON array"
as_extra = "with which extra attributes, a JSON object; only with --extra"
wanted = "refused: what they wanted to become, as kind and name"
message = "the apiserver's words, when the request failed"
verb = "what they did"
resource = "resource"
subresource = "subresource"
namespace = "namespace"
name = "name of the object"
outcome = "what became of the call"
source_ip = "address that no client can forge"
client_ip = "first recorded address, as claimed"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  time, user, 1 as allowed, impersonated_user as as_user, impersonated_groups as as_groups,
  case when :extra then (
    select cast(same.raw as text) -> '$.impersonatedUser.extra'
    from events as same
    where same.audit_id = events.audit_id and same.id = events.id
  ) end as as_extra,
  null as wanted, message, verb, resource, subresource, namespace, name, outcome, source_ip,
  client_ip, user_agent, cluster, audit_id
from events
where impersonated_user is not null
  and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
  and impersonated_user match :as_user
  and (stage <> 'ResponseStarted' or not exists (
    select 1 from events as later
    where later.audit_id = events.audit_id
      and later.stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
      and later.cluster = events.cluster
      and later.request_uri = events.request_uri
      and later.received_time = events.received_time
      and later.user is events.user
      -- Some apiservers record two starts of one call.
      and (later.stage <> 'ResponseStarted' or later.time > events.time
        or later.time = events.time and later.id > events.id)
  ))
  and cluster match :cluster
  and user match :user
  and verb match :verb
  and resource match :resource
  and namespace match :namespace
  and name match :name
  and outcome match :outcome
  and source_ips match :source_ip
  and user_agent match :user_agent
  and time >= :since and time < :until
union all
select
  time, user, 0, null, null, null,
  case when message glob '*" cannot impersonate resource "*'
    or message glob '*" cannot impersonate:* resource "*'
    then substr(message, 1, instr(message, ' is forbidden: ') - 1)
  end,
  message, verb, resource, subresource, namespace, name, outcome, source_ip, client_ip, user_agent,
  cluster, audit_id
from events
where outcome = 'denied_authz'
  and code = 403
  and decision is null
  and message glob '*" cannot impersonate*'
  and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
  and :as_user is null
  and (stage <> 'ResponseStarted' or not exists (
    select 1 from events as later
    where later.audit_id = events.audit_id
      and later.stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
      and later.cluster = events.cluster
      and later.request_uri = events.request_uri
      and later.received_time = events.received_time
      and later.user is events.user
      -- Some apiservers record two starts of one call.
      and (later.stage <> 'ResponseStarted' or later.time > events.time
        or later.time = events.time and later.id > events.id)
  ))
  and cluster match :cluster
  and user match :user
  and verb match :verb
  and resource match :resource
  and namespace match :namespace
  and name match :name
  and outcome match :outcome
  and source_ips match :source_ip
  and user_agent match :user_agent
  and time >= :since and time < :until
order by time desc
