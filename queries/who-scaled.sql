/*
title = "Who scaled a workload, and from what to what"
group = "who"
answers = "One row per change of a scale subresource, and per update or patch of a deployment, statefulset, replicaset or replicationcontroller that sets another number of replicas, newest first. Autoscalers scale, too; what the controllers of kube-system set in objects themselves is left out, because it follows from such a change."
cannot_see = "Numbers where bodies are not recorded: then only the scale subresource shows that something was scaled. Replicas of custom resources without a scale subresource. A patch of another shape than spec.replicas, such as one that replaces all of spec."
level = "RequestResponse"
tags = []
since = "1d"

[columns]
time = "when the request ended"
user = "who asked; NULL when nobody was authenticated"
as_user = "whom they impersonated"
verb = "verb"
resource = "resource"
subresource = "scale, or NULL when the object itself was changed"
namespace = "its namespace"
name = "its name"
from_replicas = "before: as the last recorded answer in the time range had it, else as many as ran at that moment; NULL when neither is recorded"
to_replicas = "as asked for; NULL when not recorded"
outcome = "success, denied_authz, not_found, ..."
dry_run = "1 when nothing changed because of dryRun=All"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
with writes as materialized (
  select
    e.id, e.time, e.user, e.impersonated_user, e.verb, e.resource, e.subresource, e.namespace, e.name,
    e.outcome, e.dry_run, e.source_ip, e.user_agent, e.cluster, e.audit_id,
    case json_type(e.request_object)
      when 'array' then (
        select op.value ->> '$.value' from json_each(e.request_object) as op
        where op.value ->> '$.path' = '/spec/replicas')
      else e.request_object ->> '$.spec.replicas'
    end as wanted,
    iif(e.outcome = 'success' and e.dry_run is not 1,
      e.response_object ->> '$.spec.replicas', null) as after,
    -- A status leaves out a number that is 0.
    iif(e.outcome = 'success' and e.response_object -> '$.status' is not null,
      ifnull(e.response_object ->> '$.status.replicas', 0), null) as observed
  from events as e
  where e.verb in ('update', 'patch') and e.subresource = 'scale'
    and e.stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and e.cluster match :cluster
    and e.resource match :resource
    and e.namespace match :namespace
    and e.name match :name
    and e.time >= :since and e.time < :until
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
    iif(e.outcome = 'success' and e.dry_run is not 1,
      e.response_object ->> '$.spec.replicas', null) as after,
    -- A status leaves out a number that is 0.
    iif(e.outcome = 'success' and e.response_object -> '$.status' is not null,
      ifnull(e.response_object ->> '$.status.replicas', 0), null) as observed
  from events as e
  where e.verb in ('create', 'update', 'patch') and e.subresource is null
    and e.resource in ('deployments', 'statefulsets', 'replicasets', 'replicationcontrollers')
    and e.level in ('Request', 'RequestResponse')
    and e.user match '!system:serviceaccount:kube-system:*'
    and e.stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and e.cluster match :cluster
    and e.resource match :resource
    and e.namespace match :namespace
    and e.name match :name
    and e.time >= :since and e.time < :until
), compared as materialized (
  select *, ifnull(
    -- The latest number before: a time has 27 letters.
    cast(substr(max(time || after) over (
      partition by cluster, resource, namespace, name order by time, id
      rows between unbounded preceding and 1 preceding), 28) as integer),
    observed) as before
  from writes
)
select
  time, user, impersonated_user as as_user, verb, resource, subresource, namespace, name,
  before as from_replicas, wanted as to_replicas, outcome, dry_run, source_ip, user_agent, cluster,
  audit_id
from compared
where verb <> 'create'
  and (subresource is not null
    or wanted is not before and wanted is not null and (verb = 'patch' or before is not null))
  and (:user is null and :outcome is null or id in (
    select e.id from events as e
    where e.verb in ('update', 'patch')
      and (e.subresource is null or e.subresource = 'scale')
      and e.cluster match :cluster
      and e.resource match :resource
      and e.namespace match :namespace
      and e.name match :name
      and e.user match :user
      and e.outcome match :outcome
      and e.time >= :since and e.time < :until
  ))
order by time desc, id desc
