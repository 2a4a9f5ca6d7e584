/*
title = "Who read secrets, and what a list or watch exposed"
group = "access"
answers = "One row per get, list or watch of secrets with who asked, newest first, refused ones with their outcome. For a list or watch: its scope and the names of the secrets in it, from the recorded answer if there is one, else with --names those that other events of that scope had named until then (exposed_from says which)."
cannot_see = "Secrets that no recorded event had named when they were listed, and what a label selector left out. Contents of mounted secrets: the kubelet reads these for its pods and is the actor here. Reads of etcd or its backups. exposed holds at most 100 names, and names those that a deletecollection removed."
level = "Metadata"
tags = ["pci-dss:10.2.1.1", "attack:T1552.007"]

[params]
names = { type = "flag", help = "Name what a list without recorded answer exposed, from all other events of secrets" }

[columns]
time = "when the request ended; when it began for a watch that goes on"
user = "who asked"
as_user = "whom they impersonated"
verb = "get, list or watch"
scope = "name as namespace/name, a namespace, or all namespaces"
outcome = "success, denied_authz, denied_authn, ..."
exposed = "names of the secrets, as namespace/name, a JSON array; NULL when refused or not known"
exposed_from = "request, response or other events; NULL when not known"
source_ip = "address that no client can forge"
client_ip = "first recorded address, as claimed"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
with named as materialized (
  select
    cluster, namespace, name, min(time) as first,
    max(time) as last, max(case when verb = 'delete' then time end) as deleted
  from events
  where resource = 'secrets'
    and subresource is null
    and name is not null
    and verb in ('get', 'create', 'update', 'patch', 'delete')
    and outcome = 'success'
    and stage = 'ResponseComplete'
    and dry_run = 0
    and cluster match :cluster
    and namespace match :namespace
  group by cluster, namespace, name
)
select
  time, user, impersonated_user as as_user, verb,
  case
    when name is not null then coalesce(namespace || '/', '') || name
    else coalesce(namespace, 'all namespaces')
  end as scope,
  outcome,
  case
    when outcome <> 'success' then null
    when name is not null then json_array(coalesce(namespace || '/', '') || name)
    when level = 'RequestResponse' and verb = 'list' and truncated = 0 then (
      select json_group_array(shown) from (
        select
          coalesce(
            item.value ->> '$.metadata.namespace', item.value ->> '$.object.metadata.namespace',
            events.namespace
          ) || '/' || coalesce(
            item.value ->> '$.metadata.name', item.value ->> '$.object.metadata.name'
          ) as shown
        from events as same, json_each(
          coalesce(same.response_object -> '$.items', same.response_object -> '$.rows', '[]')
        ) as item
        where same.audit_id = events.audit_id and same.id = events.id
        limit 100
      )
    )
    when :names then (
      select json_group_array(shown) from (
        select named.namespace || '/' || named.name as shown
        from named
        where named.cluster = events.cluster
          and (events.namespace is null or named.namespace = events.namespace)
          and named.first <= events.time
          and (named.deleted is null or named.deleted < named.last or named.deleted > events.time)
        order by shown
        limit 100
      )
    )
  end as exposed,
  case
    when outcome <> 'success' then null
    when name is not null then 'request'
    when level = 'RequestResponse' and verb = 'list' and truncated = 0 then 'response'
    when :names then 'other events'
  end as exposed_from,
  source_ip, client_ip, user_agent, cluster, audit_id
from events
where resource = 'secrets'
  and verb in ('get', 'list', 'watch')
  and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
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
  and namespace match :namespace
  and name match :name
  and outcome match :outcome
  and source_ips match :source_ip
  and user_agent match :user_agent
  and time >= :since and time < :until
order by time desc, id desc
