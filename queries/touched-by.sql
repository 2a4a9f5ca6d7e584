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
succeeded = "how many of them went well"
outcomes = "all outcomes, a JSON array"
dry_runs = "how many changed nothing because of dryRun=All"
first_time = "when the first of them was answered"
last_time = "when the last of them was answered or ended"
users = "who asked, a JSON array"
*/
with touched as (
  select
    e.verb, e.resource, e.subresource, e.namespace,
    iif(e.resource is null, e.path, e.name) as name, e.outcome, e.dry_run, e.time, e.user,
    -- The stages of a call share both; a client may choose the one, but not the other.
    e.audit_id || ifnull(e.received_time, e.id) as call
  from events as e
  where e.user match :user and e.stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and e.cluster match :cluster
    and e.verb match :verb
    and e.resource match :resource
    and e.namespace match :namespace
    and e.name match :name
    and e.outcome match :outcome
    and e.source_ip match :source_ip
    and e.time >= :since and e.time < :until
  union all
  select
    e.verb, e.resource, e.subresource, e.namespace,
    iif(e.resource is null, e.path, e.name) as name, e.outcome, e.dry_run, e.time, e.user,
    -- The stages of a call share both; a client may choose the one, but not the other.
    e.audit_id || ifnull(e.received_time, e.id) as call
  from events as e
  where e.impersonated_user match :user and e.stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and e.cluster match :cluster
    and e.verb match :verb
    and e.resource match :resource
    and e.namespace match :namespace
    and e.name match :name
    and e.outcome match :outcome
    and e.source_ip match :source_ip
    and e.time >= :since and e.time < :until
    and e.id not in (
      select id from events
      where impersonated_user match :user and user match :user
        and time >= :since and time < :until)
)
select
  verb, resource, subresource, namespace, name, count(distinct call) as requests,
  count(distinct call) filter (where outcome in ('success', 'upgraded')) as succeeded,
  json_group_array(distinct outcome) as outcomes,
  count(distinct call) filter (where dry_run) as dry_runs,
  min(time) as first_time, max(time) as last_time, json_group_array(distinct user) as users
from touched
group by verb, resource, subresource, namespace, name
order by last_time desc, verb, resource, subresource, namespace, name
