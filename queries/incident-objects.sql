/*
title = "What an incident touched"
group = "incident"
answers = "One row per object, or list or collection of them, that requests by an identity, in its name or from an address asked for, changed ones first, with how often and how it went. With --resource and --name also the deleted collections of the resource and namespace that may have held the object, and of secrets the lists and watches; with --resource secrets and -n also those of all namespaces."
cannot_see = "Whether a collection held the object that was asked for: incident-timeline has the selectors; and more than the last 2,000 of them in its namespace and 2,000 in all. Objects inside lists, watches and deleted collections. What changed at the request of nobody in particular: controllers follow up as themselves (why-deleted). Calls of which only the arrival was recorded, or that the audit policy left out."
level = "Metadata"
tags = []
one_of = ["user", "source_ip", "resource", "namespace", "name", "audit_id"]
tables = ["incident-nameless", "incident-events", "incident-short", "incident-held"]

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
with nameless as not materialized (
  -- What names no object may have held the one that was asked for.
  select *
  from events
  where name is null and subresource is null
    and verb in ('deletecollection', 'list', 'watch')
    and (:user is null or id in (select id from incident_nameless))
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and source_ips match :source_ip
    and resource match :resource
    and audit_id match :audit_id
    and cluster match :cluster
    and time >= :since and time < :until
), stages as (
  -- Of other paths than those of resources no count tells the path.
  select
    verb, null as resource, subresource, namespace, path as name, outcome, dry_run, time, user,
    cluster,
    iif(verb = 'watch' or path glob '/debug/pprof/*', audit_id || ifnull(received_time, id), id)
      as call
  from incident_events
  where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
    and user match :user
    and resource is null
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
  union all
  select
    verb, null, subresource, namespace, path, outcome, dry_run, time, user, cluster,
    iif(verb = 'watch' or path glob '/debug/pprof/*', audit_id || ifnull(received_time, id), id)
  from incident_events
  where :user not glob '!*' and impersonated_user match :user
    and resource is null
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
  union all
  select * from (
    select
      verb, resource, subresource, namespace, name, outcome, dry_run, time, user, cluster,
      iif(verb = 'watch' or path glob '/debug/pprof/*', audit_id || ifnull(received_time, id), id)
    from nameless
    where :name is not null and :resource is not null and :name not glob '*!*'
      and namespace match :namespace
      and case when verb = 'deletecollection' then 1
        else resource = 'secrets' and api_group is null end
    order by time desc limit 2000)
  union all
  select * from (
    select
      verb, resource, subresource, namespace, name, outcome, dry_run, time, user, cluster,
      iif(verb = 'watch' or path glob '/debug/pprof/*', audit_id || ifnull(received_time, id), id)
    from nameless
    where :resource is not null and :namespace is not null
      and ifnull(:name, '') not glob '*!*' and :namespace not glob '*!*'
      and resource = 'secrets' and api_group is null and verb in ('list', 'watch')
      and namespace is null
    order by time desc limit 2000)
), calls as (
  select
    resource, subresource, namespace, name, verb, user, cluster, 1 as requests,
    max(verb in ('create', 'update', 'patch', 'delete', 'deletecollection')
      and outcome = 'success' and dry_run = 0 and resource not glob '*reviews') as changed,
    max(outcome glob 'denied*') as refused,
    max(outcome not in ('success', 'upgraded', 'pending') and outcome not glob 'denied*') as failed,
    max(dry_run) as dry_runs, min(time) as first_time, max(time) as last_time
  from stages
  group by call, name, namespace, resource, subresource, verb, user, cluster
), answered as not materialized (
  select
    resource, subresource, namespace, name, verb, user, impersonated_user, cluster, outcome,
    dry_run, events, first_time, last_time
  from incident_short
  where resource is not null
  union all
  select
    resource, subresource, namespace, name, verb, user, impersonated_user, cluster, outcome,
    dry_run, events, first_time, last_time
  from incident_held
  where resource is not null
), counts as (
  select
    resource, subresource, namespace, name, verb, user, cluster, outcome, dry_run, events,
    first_time, last_time
  from answered
  where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
    and user match :user
  union all
  select
    resource, subresource, namespace, name, verb, user, cluster, outcome, dry_run, events,
    first_time, last_time
  from answered
  where :user not glob '!*' and impersonated_user match :user
  union all
  -- What somebody did in their own name was counted twice.
  select
    resource, subresource, namespace, name, verb, user, cluster, outcome, dry_run, -events,
    first_time, last_time
  from answered
  where :user not glob '!*' and impersonated_user match :user
    and user match :user
), touched as (
  select
    resource, subresource, namespace, name, verb, user, cluster, events as requests,
    events * (verb in ('create', 'update', 'patch', 'delete', 'deletecollection')
      and outcome = 'success' and dry_run = 0 and resource not glob '*reviews') as changed,
    events * (outcome glob 'denied*') as refused,
    events * (outcome not in ('success', 'upgraded', 'pending') and outcome not glob 'denied*')
      as failed,
    events * dry_run as dry_runs, first_time, last_time
  from counts
  union all
  select * from calls
)
select
  resource, subresource, namespace, name, json_group_array(distinct verb) as verbs,
  sum(requests) as requests, ifnull(sum(changed), 0) as changed, ifnull(sum(refused), 0) as refused,
  ifnull(sum(failed), 0) as failed, sum(dry_runs) as dry_runs, min(first_time) as first_time,
  max(last_time) as last_time, json_group_array(distinct user) as users, cluster
from touched
group by name, namespace, resource, subresource, cluster
order by sum(changed) > 0 desc, last_time desc, resource, subresource, namespace, name
