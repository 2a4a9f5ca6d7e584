/*
title = "What an identity touched, and how it went"
group = "who"
answers = "One row per verb and object with how often the user asked for it, as themselves or impersonating somebody, or somebody impersonating them; the most recent first."
cannot_see = "Objects inside lists and watches. Attempts to impersonate that were denied. Calls of which only the arrival was recorded, or that the audit policy left out."
level = "Metadata"
tags = []
since = "1d"
required = ["user"]

[params.user]
help = "User, as authenticated or as impersonated"

[columns]
verb = "verb"
resource = "resource"
subresource = "subresource"
namespace = "its namespace"
name = "its name; NULL for a list, a collection, or where it is not recorded"
requests = "how many"
succeeded = "how many of them went well, to their end"
outcomes = { json = "all outcomes, a JSON array" }
dry_runs = "how many changed nothing because of dryRun=All"
first_time = "when the first of them was answered"
last_time = "when the last of them was answered or ended"
users = { json = "who asked, a JSON array" }
*/
with counted as not materialized (
  select *, per_request
  from event_counts
  where summed = 1
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and resource is not null
    and cluster match :cluster
    and verb match :verb
    and resource match :resource
    and namespace match :namespace
    and name match :name
    and outcome match :outcome
    and source_ip match :source_ip
    and time >= :since and time < :until
), answered as not materialized (
  -- An answer stands for a request, but for those of long calls (watches, sessions, logs): these count
  -- once, and what rows of no events add is when their stages were answered and what came of them.
  select
    verb, resource, subresource, namespace, name, outcome, dry_run, user, impersonated_user, events,
    first_time, last_time
  from counted
  where verb match '!watch' and subresource match '!exec,attach,portforward,proxy,log'
  union all
  select
    verb, resource, subresource, namespace, name, outcome, dry_run, user, impersonated_user, events,
    cast(null as text), cast(null as text)
  from counted
  where per_request = 1 and verb = 'watch'
  union all
  select
    verb, resource, subresource, namespace, name, outcome, dry_run, user, impersonated_user, events,
    cast(null as text), cast(null as text)
  from counted
  where per_request = 1
    and verb match '!watch' and subresource in ('exec', 'attach', 'portforward', 'proxy', 'log')
  union all
  select
    verb, resource, subresource, namespace, name, outcome, dry_run, user, impersonated_user,
    cast(0 as integer), first_time, last_time
  from counted
  where verb = 'watch'
  union all
  select
    verb, resource, subresource, namespace, name, outcome, dry_run, user, impersonated_user,
    cast(0 as integer), first_time, last_time
  from counted
  where verb match '!watch' and subresource in ('exec', 'attach', 'portforward', 'proxy', 'log')
), stages as not materialized (
  -- What a request for no resource touched is its path. Among these are profiles of the apiserver, which
  -- are long calls.
  select
    verb, subresource, namespace, path, outcome, dry_run, time, user, impersonated_user,
    audit_id || ifnull(received_time, id) as call
  from events
  where resource is null
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and verb match :verb
    and resource match :resource
    and namespace match :namespace
    and name match :name
    and outcome match :outcome
    and source_ip match :source_ip
    and time >= :since and time < :until
), touched as (
  select
    verb, resource, subresource, namespace, name, outcome, dry_run, user, events, first_time,
    last_time, null as call
  from answered
  where user match :user
  union all
  select
    verb, resource, subresource, namespace, name, outcome, dry_run, user, events, first_time,
    last_time, null
  from answered
  where :user not glob '!*' and impersonated_user match :user
  union all
  -- What somebody did in their own name was counted twice.
  select
    verb, resource, subresource, namespace, name, outcome, dry_run, user, -events, first_time,
    last_time, null
  from answered
  where :user not glob '!*' and impersonated_user match :user and user match :user
  union all
  select
    verb, null, subresource, namespace, path, outcome, dry_run, user, 0, time, time, call
  from stages
  where user match :user
  union all
  select
    verb, null, subresource, namespace, path, outcome, dry_run, user, 0, time, time, call
  from stages
  where :user not glob '!*' and impersonated_user match :user
)
select
  verb, resource, subresource, namespace, name, sum(events) + count(distinct call) as requests,
  ifnull(sum(events) filter (where outcome in ('success', 'upgraded')), 0)
    + count(distinct call) filter (where outcome in ('success', 'upgraded')) as succeeded,
  json_group_array(distinct outcome order by outcome) as outcomes,
  sum(events * dry_run) + count(distinct call) filter (where dry_run) as dry_runs,
  min(first_time) as first_time, max(last_time) as last_time,
  json_group_array(distinct user order by user) as users
from touched
group by verb, resource, subresource, namespace, name
order by last_time desc, verb, resource, subresource, namespace, name
