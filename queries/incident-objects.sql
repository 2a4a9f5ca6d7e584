/*
title = "What an incident touched"
group = "incident"
answers = "One row per object, or list or collection of them, that requests by an identity, in its name or from an address asked for, changed ones first, with how often and how it went. With --resource and --name also the deleted collections of the resource and namespace that may have held the object, and of secrets the lists and watches; with --resource secrets and -n also those of all namespaces. Without any of the filters but the time there are no rows."
cannot_see = "Whether a collection held the object that was asked for: incident-timeline has the selectors; and more than the last 2,000 of them in its namespace and 2,000 in all. Objects inside lists, watches and deleted collections. What changed at the request of nobody in particular: controllers follow up as themselves (why-deleted). Calls of which only the arrival was recorded, or that the audit policy left out."
level = "Metadata"
tags = []
tables = ["incident-nameless"]

[params.user]
help = "User, as authenticated or as impersonated"

[columns]
resource = "resource; NULL for other paths"
subresource = "subresource"
namespace = "its namespace"
name = "its name, or the path; NULL for a list or a collection"
verbs = { json = "what was asked, a JSON array" }
requests = "how many"
changed = "how many of them changed it"
refused = "how many were refused"
failed = "how many failed otherwise"
dry_runs = "how many changed nothing because of dryRun=All"
first_time = "when the first of them was answered"
last_time = "when the last of them was answered or ended"
users = { json = "who asked, a JSON array" }
cluster = "where"
*/
with touched as (
  select
    e.verb, e.resource, e.subresource, e.namespace,
    iif(e.resource is null, e.path, e.name) as name, e.outcome, e.dry_run, e.time, e.user,
    e.cluster,
    -- The stages of a long call share all of these; a client may choose the first, but not the
    -- second. Of any other call one stage is left.
    iif(e.verb = 'watch'
      or e.subresource in ('exec', 'attach', 'portforward', 'proxy', 'log'),
      e.audit_id || ifnull(e.received_time, e.id) || ifnull(e.resource, e.path)
        || ifnull(e.namespace, '') || '/' || ifnull(e.name, ''), e.id) as call
  from events as e
  where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
    and e.user match :user
    and e.stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and e.source_ips match :source_ip
    and e.resource match :resource
    and e.namespace match :namespace
    and e.name match :name
    and e.audit_id match :audit_id
    and e.cluster match :cluster
    and e.time >= :since and e.time < :until
  union all
  select
    e.verb, e.resource, e.subresource, e.namespace,
    iif(e.resource is null, e.path, e.name) as name, e.outcome, e.dry_run, e.time, e.user,
    e.cluster,
    -- The stages of a long call share all of these; a client may choose the first, but not the
    -- second. Of any other call one stage is left.
    iif(e.verb = 'watch'
      or e.subresource in ('exec', 'attach', 'portforward', 'proxy', 'log'),
      e.audit_id || ifnull(e.received_time, e.id) || ifnull(e.resource, e.path)
        || ifnull(e.namespace, '') || '/' || ifnull(e.name, ''), e.id) as call
  from events as e
  where :user is not null
    and e.impersonated_user match :user
    and e.stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and e.source_ips match :source_ip
    and e.resource match :resource
    and e.namespace match :namespace
    and e.name match :name
    and e.audit_id match :audit_id
    and e.cluster match :cluster
    and e.time >= :since and e.time < :until
    and e.id not in (
      select id from events
      where impersonated_user match :user and user match :user
        and time >= :since and time < :until)
  union all
  -- What names no object may have held the one that was asked for.
  select * from (
    select
      e.verb, e.resource, e.subresource, e.namespace,
      iif(e.resource is null, e.path, e.name) as name, e.outcome, e.dry_run, e.time, e.user,
      e.cluster,
      -- The stages of a long call share all of these; a client may choose the first, but not the
      -- second. Of any other call one stage is left.
      iif(e.verb = 'watch'
        or e.subresource in ('exec', 'attach', 'portforward', 'proxy', 'log'),
        e.audit_id || ifnull(e.received_time, e.id) || ifnull(e.resource, e.path)
          || ifnull(e.namespace, '') || '/' || ifnull(e.name, ''), e.id) as call
    from events as e
    where :name is not null and :resource is not null and :name not glob '*!*'
      and e.name is null and e.subresource is null
      and e.verb in ('deletecollection', 'list', 'watch')
      and case when e.verb = 'deletecollection' then 1
        else e.resource = 'secrets' and e.api_group is null end
      and (:user is null or e.id in (select id from incident_nameless))
      and e.stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
      and e.source_ips match :source_ip
      and e.resource match :resource
      and e.namespace match :namespace
      and e.audit_id match :audit_id
      and e.cluster match :cluster
      and e.time >= :since and e.time < :until
    order by e.time desc limit 2000)
  union all
  select * from (
    select
      e.verb, e.resource, e.subresource, e.namespace,
      iif(e.resource is null, e.path, e.name) as name, e.outcome, e.dry_run, e.time, e.user,
      e.cluster,
      -- The stages of a long call share all of these; a client may choose the first, but not the
      -- second. Of any other call one stage is left.
      iif(e.verb = 'watch'
        or e.subresource in ('exec', 'attach', 'portforward', 'proxy', 'log'),
        e.audit_id || ifnull(e.received_time, e.id) || ifnull(e.resource, e.path)
          || ifnull(e.namespace, '') || '/' || ifnull(e.name, ''), e.id) as call
    from events as e
    where :resource is not null and :namespace is not null
      and ifnull(:name, '') not glob '*!*' and :namespace not glob '*!*'
      and e.resource = 'secrets' and e.api_group is null and e.verb in ('list', 'watch')
      and e.name is null and e.namespace is null and e.subresource is null
      and (:user is null or e.id in (select id from incident_nameless))
      and e.stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
      and e.source_ips match :source_ip
      and e.resource match :resource
      and e.audit_id match :audit_id
      and e.cluster match :cluster
      and e.time >= :since and e.time < :until
    order by e.time desc limit 2000)
)
select
  resource, subresource, namespace, name, json_group_array(distinct verb) as verbs,
  count(distinct call) as requests,
  count(distinct call) filter (
    where verb in ('create', 'update', 'patch', 'delete', 'deletecollection')
      and outcome = 'success' and dry_run = 0 and resource not glob '*reviews') as changed,
  count(distinct call) filter (where outcome glob 'denied*') as refused,
  count(distinct call) filter (
    where outcome not in ('success', 'upgraded', 'pending') and outcome not glob 'denied*'
  ) as failed,
  count(distinct call) filter (where dry_run = 1) as dry_runs,
  min(time) as first_time, max(time) as last_time, json_group_array(distinct user) as users,
  cluster
from touched
group by cluster, resource, subresource, namespace, name
order by changed > 0 desc, last_time desc, resource, subresource, namespace, name
