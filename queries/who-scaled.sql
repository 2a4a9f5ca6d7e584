/*
title = "Who scaled a workload, and from what to what"
group = "who"
answers = "One row per change of a scale subresource, and per update or patch of a deployment, statefulset, replicaset or replicationcontroller that sets another number of replicas, newest first. Autoscalers and controllers scale, too."
cannot_see = "Numbers where bodies are not recorded: then only the scale subresource shows that something was scaled. Replicas of custom resources without a scale subresource. A patch of another shape than spec.replicas, such as one that replaces all of spec."
level = "RequestResponse"
tags = []
since = "7d"

[columns]
time = "when the request ended"
user = "who asked; NULL when nobody was authenticated"
as_user = "whom they impersonated"
verb = "verb"
resource = "resource"
subresource = "scale, or NULL when the object itself was changed"
namespace = "its namespace"
name = "its name"
from_replicas = "before: as the last answer about the object had it, else as they ran at that moment; NULL when not recorded"
to_replicas = "as asked for; NULL when not recorded"
outcome = "success, denied_authz, not_found, ..."
dry_run = "1 when nothing changed because of dryRun=All"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
with scaled as materialized (
  select
    e.id, e.time, e.user, e.impersonated_user, e.verb, e.resource, e.subresource, e.namespace, e.name,
    e.outcome, e.dry_run, e.source_ip, e.user_agent, e.cluster, e.audit_id,
    case json_type(e.request_object)
      when 'array' then (
        select op.value ->> '$.value' from json_each(e.request_object) as op
        where op.value ->> '$.path' = '/spec/replicas')
      else e.request_object ->> '$.spec.replicas'
    end as wanted,
    e.response_object ->> '$.status.replicas' as observed
  from events as e
  where e.verb in ('update', 'patch') and e.subresource = 'scale'
    and e.cluster match :cluster
    and e.resource match :resource
    and e.namespace match :namespace
    and e.name match :name
    and e.user match :user
    and e.outcome match :outcome
    and e.time >= :since and e.time < :until
    and e.stage in ('ResponseComplete', 'Panic', 'ResponseStarted')
  union all
  select
    e.id, e.time, e.user, e.impersonated_user, e.verb, e.resource, e.subresource, e.namespace, e.name,
    e.outcome, e.dry_run, e.source_ip, e.user_agent, e.cluster, e.audit_id,
    case json_type(e.request_object)
      when 'array' then (
        select op.value ->> '$.value' from json_each(e.request_object) as op
        where op.value ->> '$.path' = '/spec/replicas')
      else e.request_object ->> '$.spec.replicas'
    end as wanted,
    e.response_object ->> '$.status.replicas' as observed
  from events as e
  where e.verb in ('update', 'patch') and e.subresource is null
    and e.resource in ('deployments', 'statefulsets', 'replicasets', 'replicationcontrollers')
    and e.level in ('Request', 'RequestResponse')
    and e.cluster match :cluster
    and e.resource match :resource
    and e.namespace match :namespace
    and e.name match :name
    and e.user match :user
    and e.outcome match :outcome
    and e.time >= :since and e.time < :until
    and e.stage in ('ResponseComplete', 'Panic')
    and wanted is not null and wanted is not observed
), compared as (
  select scaled.*, coalesce((
    select p.response_object ->> '$.spec.replicas' from events as p
    where p.cluster = scaled.cluster and p.resource = scaled.resource
      and p.namespace = scaled.namespace and p.name = scaled.name and p.time < scaled.time
      and p.verb in ('create', 'update', 'patch') and p.stage = 'ResponseComplete'
      and p.outcome = 'success' and p.dry_run is not 1
      and p.level = 'RequestResponse' and p.response_object ->> '$.spec.replicas' is not null
    order by p.time desc limit 1), observed) as before
  from scaled
)
select
  time, user, impersonated_user as as_user, verb, resource, subresource, namespace, name,
  before as from_replicas, wanted as to_replicas, outcome, dry_run, source_ip, user_agent, cluster,
  audit_id
from compared
where subresource is not null or wanted is not before
order by time desc, id desc
