/*
title = "Why an object was deleted: who stands behind the controller that removed it"
group = "who"
answers = "The deletions of the object itself and what came before them within the time given: evictions, deletions and changes of its owners, deletions of its namespace, and collections that it or an owner may have been in; newest first. When no deletion names the object, all of these in the time range."
cannot_see = "Causes outside the API, such as a node that went away. Owners whose references were not recorded are guessed from the name (web-7d4f9-abc12, web-7d4f9, web) and marked so. Whether a collection held the object: compare the selector in request_uri."
level = "Metadata"
tags = ["attack:T1485"]
required = ["name"]

[params.name]
type = "text"
help = "Name of the object that is gone, as it was: no *"

[params.within]
type = "duration"
help = "How long before the deletion its causes may lie"
default = "10m"

[columns]
time = "when the request ended"
what = "what was done"
user = "who asked; NULL when nobody was authenticated"
controller = "1 when the user is a part of the control plane or a node, whose reason is another row"
as_user = "whom they impersonated"
verb = "verb"
resource = "resource"
namespace = "its namespace"
name = "its name"
outcome = "success, denied_authz, not_found, ..."
known_by = "how it is tied to the object: name, owner reference, guess from the name, or namespace"
dry_run = "1 when nothing changed because of dryRun=All"
request_uri = "path and query as sent"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
with recursive own as materialized (
  select distinct cluster, resource, namespace, owner from events
  where name = :name and resource is not null
    and cluster match :cluster and resource match :resource and namespace match :namespace
    and time < :until
), owners(depth, cluster, namespace, kind, name) as (
  select
    1, cluster, namespace, substr(owner, 1, instr(owner, '/') - 1),
    substr(owner, instr(owner, '/') + 1)
  from own where owner is not null
  union
  select
    owners.depth + 1, e.cluster, e.namespace, substr(e.owner, 1, instr(e.owner, '/') - 1),
    substr(e.owner, instr(e.owner, '/') + 1)
  from owners cross join events as e
    on e.cluster = owners.cluster and e.namespace is owners.namespace and e.name = owners.name
  where e.owner is not null and owners.depth < 5 and e.time < :until
    and e.resource in (lower(owners.kind) || 's', lower(owners.kind) || 'es')
), shorter(depth, name) as (
  select 0, :name
  union all
  -- Without its last part: web-7d4f9-abc12 to web-7d4f9.
  select depth + 1, rtrim(rtrim(name, replace(name, '-', '')), '-') from shorter
  where depth < 2 and instr(name, '-') > 1
), wanted(part, known_by, cluster, namespace, resource, name) as materialized (
  select 'object', 'name', cluster, namespace, resource, :name from own
  union
  select
    'owner', 'owner reference', cluster, namespace,
    lower(kind) || iif(kind glob '*[sx]', 'es', 's'), name
  from owners
  union
  select 'owner', 'guess from the name', own.cluster, own.namespace, kinds.value, shorter.name
  from own join shorter on shorter.depth > 0 join json_each('[
    "deployments", "replicasets", "statefulsets", "daemonsets", "jobs", "cronjobs",
    "replicationcontrollers"]') as kinds
  where own.resource in ('pods', 'replicasets', 'jobs') and kinds.value <> own.resource
    and shorter.name not in (select name from owners)
  union
  select 'namespace', 'namespace', cluster, namespace, 'namespaces', namespace from own
  where namespace is not null and resource <> 'namespaces'
), gone as materialized (
  select time, cluster, namespace from events
  where name = :name and verb = 'delete' and subresource is null and outcome = 'success'
    and dry_run is not 1 and stage = 'ResponseComplete'
    and cluster match :cluster and resource match :resource and namespace match :namespace
    and time >= :since and time < :until
), causes as (
  select w.part, w.known_by,
    e.id, e.time, e.user, e.impersonated_user, e.verb, e.resource, e.subresource, e.namespace, e.name,
    e.outcome, e.dry_run, e.request_uri, e.source_ip, e.user_agent, e.cluster, e.audit_id
  from events as e cross join wanted as w
    on w.cluster = e.cluster and w.resource = e.resource and w.name = e.name
  where e.name in (select name from wanted) and e.verb in ('delete', 'update', 'patch', 'create')
    and e.stage in ('ResponseStarted', 'ResponseComplete', 'Panic') and e.time < :until
    and (w.namespace is e.namespace or w.part = 'namespace')
    and case e.verb
      when 'delete' then e.subresource is null
      when 'create' then e.subresource = 'eviction'
      else w.part = 'owner' and (e.subresource is null or e.subresource = 'scale')
    end
    and (w.part = 'object' and e.verb <> 'deletecollection' and e.time >= :since
      or exists (
        select 1 from gone
        where gone.cluster = e.cluster and gone.namespace is w.namespace
          and unixepoch(gone.time, 'subsec') - unixepoch(ifnull(e.received_time, e.time), 'subsec')
            between 0 and :within / 1e6)
      or e.time >= :since and not exists (select 1 from gone))
  union all
  select w.part, w.known_by,
    e.id, e.time, e.user, e.impersonated_user, e.verb, e.resource, e.subresource, e.namespace, e.name,
    e.outcome, e.dry_run, e.request_uri, e.source_ip, e.user_agent, e.cluster, e.audit_id
  from events as e cross join (
      select distinct part, known_by, cluster, namespace, resource from wanted
      where part <> 'namespace'
    ) as w
    on w.cluster = e.cluster and w.resource = e.resource and w.namespace is e.namespace
  where e.verb = 'deletecollection' and e.resource in (select resource from wanted)
    and e.name is null
    and e.stage in ('ResponseStarted', 'ResponseComplete', 'Panic') and e.time < :until
    and (w.part = 'object' and e.verb <> 'deletecollection' and e.time >= :since
      or exists (
        select 1 from gone
        where gone.cluster = e.cluster and gone.namespace is w.namespace
          and unixepoch(gone.time, 'subsec') - unixepoch(ifnull(e.received_time, e.time), 'subsec')
            between 0 and :within / 1e6)
      or e.time >= :since and not exists (select 1 from gone))
)
select
  time,
  case
    when verb = 'create' then 'evicted it'
    when verb = 'deletecollection' and part = 'object'
      then 'deleted a collection that it may have been in'
    when verb = 'deletecollection' then 'deleted a collection that its owner may have been in'
    when verb <> 'delete' then 'changed its owner'
    when part = 'object' then 'deleted it'
    when part = 'owner' then 'deleted its owner'
    else 'deleted its namespace'
  end as what,
  user,
  user glob 'system:serviceaccount:kube-system:*' or user glob 'system:kube-*'
    or user glob 'system:node:*' or user = 'system:apiserver' as controller,
  impersonated_user as as_user, verb, resource, namespace, name, outcome, known_by, dry_run,
  request_uri, source_ip, user_agent, cluster, audit_id
from causes
group by id
order by time desc, id desc
