/*
title = "Which secrets an incident exposed"
group = "incident"
answers = "One row per secret that requests by an identity, in its name or from an address read, listed, watched, wrote, or mounted into pods, or that accounts which these requests had armed read, listed, watched or wrote since; those of a list whose answer was not recorded are the secrets of its scope that other events had named until then. With a name or namespace of a secret also what lists and watches of its namespace and of all namespaces may have shown."
cannot_see = "Secrets that no recorded event had named when they were listed, and what a selector left out of a list; at most 1,000 are named for one list, those that were seen first. For a name or namespace that was asked for, more than the last 2,000 lists and watches of its namespace and of all namespaces each. What was read inside a pod or over a node's kubelet, and from etcd. Mounts below level Request, and those by armed accounts."
level = "Metadata"
tags = ["attack:T1552.007"]
one_of = ["user", "source_ip", "resource", "namespace", "name", "audit_id"]
tables = ["incident-armed", "incident-events"]

[params.user]
help = "User, as authenticated or as impersonated"

[columns]
namespace = "its namespace; NULL for a list of all namespaces that no name is known of"
name = "its name; NULL for a list that no name is known of"
ways = { json = "get, list, watch, written, mounted; a JSON array" }
known_from = { json = "request, response, other events; a JSON array" }
requests = "how many"
first_time = "when the first of them was answered"
last_time = "when the last of them was answered or ended"
users = { json = "who asked, a JSON array" }
armed_users = { json = "of these, whom the incident had armed before (incident-followed), a JSON array" }
a_request = "audit ID of the first, for auditql show"
cluster = "where"
*/
with asking as (
  select
    id, time, user, cluster, audit_id, received_time, verb, resource, namespace, name,
    level, truncated, 0 as armed
  from incident_events
  where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
    and resource = 'secrets' and api_group is null and subresource is null
    and verb in ('get', 'list', 'watch', 'create', 'update', 'patch')
    and outcome = 'success' and dry_run = 0
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and user match :user
  union
  select
    id, time, user, cluster, audit_id, received_time, verb, resource, namespace, name,
    level, truncated, 0 as armed
  from incident_events
  where :user not glob '!*'
    and resource = 'secrets' and api_group is null and subresource is null
    and verb in ('get', 'list', 'watch', 'create', 'update', 'patch')
    and outcome = 'success' and dry_run = 0
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and impersonated_user match :user
  union
  -- A list or watch without a name may have shown the one that was asked for.
  select * from (
    select
      id, time, user, cluster, audit_id, received_time, verb, resource, namespace, name,
      level, truncated, 0 as armed
    from events
    where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
      and resource = 'secrets' and api_group is null and subresource is null
      and verb in ('list', 'watch') and name is null
      and :name is not null
      and outcome = 'success' and dry_run = 0
      and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
      and user match :user
      and source_ips match :source_ip
      and resource match :resource
      and namespace match :namespace
      and audit_id match :audit_id
      and cluster match :cluster
      and time >= :since and time < :until
    order by time desc limit 2000)
  union
  select * from (
    select
      id, time, user, cluster, audit_id, received_time, verb, resource, namespace, name,
      level, truncated, 0 as armed
    from events
    where :user not glob '!*'
      and resource = 'secrets' and api_group is null and subresource is null
      and verb in ('list', 'watch') and name is null
      and :name is not null
      and outcome = 'success' and dry_run = 0
      and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
      and impersonated_user match :user
      and source_ips match :source_ip
      and resource match :resource
      and namespace match :namespace
      and audit_id match :audit_id
      and cluster match :cluster
      and time >= :since and time < :until
    order by time desc limit 2000)
  union
  select * from (
    select
      id, time, user, cluster, audit_id, received_time, verb, resource, namespace, name,
      level, truncated, 0 as armed
    from events
    where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
      and resource = 'secrets' and api_group is null and subresource is null
      and verb in ('list', 'watch') and name is null
      and :namespace is not null and namespace is null
      and outcome = 'success' and dry_run = 0
      and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
      and user match :user
      and source_ips match :source_ip
      and resource match :resource
      and audit_id match :audit_id
      and cluster match :cluster
      and time >= :since and time < :until
    order by time desc limit 2000)
  union
  select * from (
    select
      id, time, user, cluster, audit_id, received_time, verb, resource, namespace, name,
      level, truncated, 0 as armed
    from events
    where :user not glob '!*'
      and resource = 'secrets' and api_group is null and subresource is null
      and verb in ('list', 'watch') and name is null
      and :namespace is not null and namespace is null
      and outcome = 'success' and dry_run = 0
      and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
      and impersonated_user match :user
      and source_ips match :source_ip
      and resource match :resource
      and audit_id match :audit_id
      and cluster match :cluster
      and time >= :since and time < :until
    order by time desc limit 2000)
  union
  select
    e.id, e.time, e.user, e.cluster, e.audit_id, e.received_time, e.verb, e.resource,
    e.namespace, e.name, e.level, e.truncated, 1
  from events as e cross join incident_armed as armed
    on armed.identity = e.user and armed.cluster = e.cluster and e.time >= armed.time
  where e.user in (select identity from incident_armed)
    and e.resource = 'secrets' and e.api_group is null and e.subresource is null
    and e.verb in ('get', 'list', 'watch', 'create', 'update', 'patch')
    and e.outcome = 'success' and e.dry_run = 0
    and e.stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and e.cluster match :cluster
    and e.time >= :since and e.time < :until
), asked as materialized (
  -- The stages of a watch share these; a client may choose the first, but not the second. Of any
  -- other call one stage is left.
  select
    *, iif(verb = 'watch', audit_id || ifnull(received_time, id) || ifnull(namespace, ''), id)
      as request
  from asking
), submitted as (
  select id, time, user, cluster, audit_id, namespace, pod_secrets
  from incident_events
  where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
    and pod_secrets is not null
    and verb in ('create', 'update', 'patch')
    and outcome = 'success' and dry_run = 0
    and stage in ('ResponseComplete', 'Panic')
    and user match :user
  union all
  select id, time, user, cluster, audit_id, namespace, pod_secrets
  from incident_events
  where :user not glob '!*'
    and pod_secrets is not null
    and verb in ('create', 'update', 'patch')
    and outcome = 'success' and dry_run = 0
    and stage in ('ResponseComplete', 'Panic')
    and impersonated_user match :user
    and id not in (
      select id from events
      where impersonated_user match :user and user match :user
        and time >= :since and time < :until)
), mounting as (
  -- Most pods of a workload mount the same.
  select
    cluster, user, namespace as at, pod_secrets, count(*) as requests, min(time) as first_time,
    max(time) as last_time, min(time || audit_id) as first_request
  from submitted
  group by cluster, user, namespace, pod_secrets
), named as materialized (
  select
    -- By when they were seen first, so that those which somebody makes up to hide others come last.
    row_number() over (order by min(first_time), namespace, name, cluster) as number, cluster, namespace, name,
    min(first_time) as first, max(last_time) as last,
    max(case when verb = 'delete' then last_time end) as deleted, max(verb = 'create') as created
  from event_counts
  where summed = 1
    and resource = 'secrets' and api_group is null and subresource is null
    and name is not null
    and verb in ('get', 'create', 'update', 'patch', 'delete')
    and outcome = 'success' and dry_run = 0
    and stage = 'ResponseComplete'
    and cluster match :cluster
    -- None, if no answer is to be filled in.
    and time < (
      select :until from asked
      where name is null and not (verb = 'list' and level = 'RequestResponse' and truncated = 0)
      limit 1)
  group by cluster, namespace, name
), wanted as materialized (
  select distinct cluster, namespace, name
  from events
  where coalesce(:namespace, :name) is not null
    and resource = 'secrets' and api_group is null and name is not null
    and namespace match :namespace
    and name match :name
    and cluster match :cluster
    and time < :until
), named_wanted as materialized (
  select * from named
  where coalesce(:namespace, :name) is not null
    and (cluster, namespace, name) in (select cluster, namespace, name from wanted)
), listing as materialized (
  select
    asked.*,
    case when armed or coalesce(:namespace, :name) is null then (
      select json_group_array(number) from (
        select named.number
        from named
        where named.cluster = asked.cluster
          and (asked.namespace is null or named.namespace = asked.namespace)
          and named.first <= asked.time
          and (named.deleted is null or named.deleted < named.last or named.deleted > asked.time)
        order by named.number
        limit 1000)
    ) else (
      select json_group_array(number) from (
        select named.number
        from named_wanted as named
        where named.cluster = asked.cluster
          and (asked.namespace is null or named.namespace = asked.namespace)
          -- One that was asked for, and nobody was seen to create, was there before.
          and (named.first <= asked.time or :name is not null and named.created = 0)
          and (named.deleted is null or named.deleted < named.last or named.deleted > asked.time)
        order by named.number
        limit 1000)
    ) end as secrets
  from asked
  where name is null
    and not (verb = 'list' and level = 'RequestResponse' and truncated = 0)
), listed as materialized (
  -- Most lists of one scope may have shown the same. Of a request that stands here twice, and
  -- not for the same, each secret counts once.
  select
    cluster, user, armed, verb, namespace, secrets, iif(alike, null, request) as request,
    iif(alike, count(distinct request), 0) as requests, min(time) as first_time,
    max(time) as last_time, min(time || audit_id) as first_request
  from (
    select
      *,
      min(armed || secrets) over request = max(armed || secrets) over request as alike
    from listing
    window request as (partition by request)
  )
  group by cluster, user, armed, verb, namespace, secrets, iif(alike, null, request)
), exposed as (
  -- What a request names, or the answer to a list.
  select
    cluster, user, armed,
    iif(name is not null, namespace, ifnull(item.value ->> '$.metadata.namespace',
      ifnull(item.value ->> '$.object.metadata.namespace', asked.namespace))) as namespace,
    ifnull(name, ifnull(item.value ->> '$.metadata.name',
      item.value ->> '$.object.metadata.name')) as name,
    case when name is not null then 'request' when item.value is not null then 'response' end
      as known_from,
    iif(verb in ('create', 'update', 'patch'), 'written', verb) as way, request, 0 as requests,
    time as first_time, time as last_time, time || audit_id as first_request
  from asked left join json_each((
    select coalesce(same.response_object -> '$.items', same.response_object -> '$.rows')
    from events as same
    where asked.name is null
      and asked.verb = 'list' and asked.level = 'RequestResponse' and asked.truncated = 0
      and same.audit_id = asked.audit_id and same.id = asked.id
  )) as item
  where name is not null
    or verb = 'list' and level = 'RequestResponse' and truncated = 0
      and (item.value is null or armed or coalesce(:namespace, :name) is null
        or (ifnull(item.value ->> '$.metadata.namespace',
            ifnull(item.value ->> '$.object.metadata.namespace', asked.namespace)),
          ifnull(item.value ->> '$.metadata.name', item.value ->> '$.object.metadata.name')) in (
          select namespace, name from wanted where wanted.cluster = asked.cluster))
  union all
  select
    listed.cluster, user, armed, ifnull(named.namespace, listed.namespace), named.name,
    iif(named.number is null, null, 'other events'), verb, request, requests, first_time, last_time,
    first_request
  from listed left join json_each(secrets) as item left join named on named.number = item.value
  union all
  select
    cluster, user, 0, at, secret.value, 'request', 'mounted', null, requests, first_time, last_time,
    first_request
  from mounting cross join json_each(pod_secrets) as secret
)
select
  namespace, name, json_group_array(distinct way) as ways,
  json_group_array(distinct known_from) filter (where known_from is not null) as known_from,
  sum(requests) + count(distinct request) as requests,
  min(first_time) as first_time, max(last_time) as last_time,
  json_group_array(distinct user) as users,
  json_group_array(distinct user) filter (where armed) as armed_users,
  substr(min(first_request), length('2026-01-01T00:00:00.000000Z') + 1) as a_request, cluster
from exposed
group by cluster, namespace, name
order by first_time, namespace, name
