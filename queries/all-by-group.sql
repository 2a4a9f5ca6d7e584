/*
title = "Everything that members of a group did"
group = "who"
answers = "One row per request by a user of the group, or by somebody impersonating the group, newest first."
cannot_see = "Groups that the authenticator did not tell the apiserver; membership now or at another time. Calls that the audit policy left out, and those of which only the arrival was recorded unless --unanswered is given."
level = "Metadata"
tags = []
required = ["group"]

[params.group]
help = "Group, as authenticated or as impersonated: 'system:masters'"

[params.unanswered]
type = "flag"
help = "Also calls of which only the arrival was recorded; slower"
default = false

[columns]
time = "when the request ended"
user = "who asked; NULL when nobody was authenticated"
as_user = "whom they impersonated"
as_groups = { json = "groups that they impersonated, a JSON array" }
verb = "verb"
resource = "resource"
subresource = "subresource"
namespace = "its namespace"
name = "its name"
outcome = "success, denied_authz, not_found, ..."
code = "status code"
dry_run = "1 when nothing changed because of dryRun=All"
request_uri = "path and query as sent"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  e.time, e.user, e.impersonated_user as as_user, e.impersonated_groups as as_groups, e.verb, e.resource,
  e.subresource, e.namespace, e.name, e.outcome, e.code, e.dry_run, e.request_uri, e.source_ip,
  e.user_agent, e.cluster, e.audit_id
from events as e
where e.user_groups match :group
  and e.cluster match :cluster
  and e.verb match :verb
  and e.resource match :resource
  and e.namespace match :namespace
  and e.name match :name
  and e.outcome match :outcome
  and e.user match :user
  and e.source_ip match :source_ip
  and e.time >= :since and e.time < :until
  and e.stage <> iif(:unanswered, '', 'RequestReceived')
  and (e.stage in ('ResponseComplete', 'Panic') or not exists (
    select 1 from events as later
    where later.audit_id = e.audit_id and later.received_time = e.received_time
      and later.request_uri = e.request_uri and later.user is e.user and later.cluster = e.cluster
      and later.time >= e.time
      -- Some apiservers record two starts of one call.
      and case when later.stage = e.stage then later.time > e.time or later.id > e.id
        else e.stage = 'RequestReceived' or later.stage in ('ResponseComplete', 'Panic') end))
union all
select
  e.time, e.user, e.impersonated_user as as_user, e.impersonated_groups as as_groups, e.verb, e.resource,
  e.subresource, e.namespace, e.name, e.outcome, e.code, e.dry_run, e.request_uri, e.source_ip,
  e.user_agent, e.cluster, e.audit_id
from events as e
where e.impersonated_groups match :group
  and e.cluster match :cluster
  and e.verb match :verb
  and e.resource match :resource
  and e.namespace match :namespace
  and e.name match :name
  and e.outcome match :outcome
  and e.user match :user
  and e.source_ip match :source_ip
  and e.time >= :since and e.time < :until
  and not exists (
    select 1 from events as own
    where own.id = e.id and own.time = e.time and own.user_groups match :group)
  and e.stage <> iif(:unanswered, '', 'RequestReceived')
  and (e.stage in ('ResponseComplete', 'Panic') or not exists (
    select 1 from events as later
    where later.audit_id = e.audit_id and later.received_time = e.received_time
      and later.request_uri = e.request_uri and later.user is e.user and later.cluster = e.cluster
      and later.time >= e.time
      -- Some apiservers record two starts of one call.
      and case when later.stage = e.stage then later.time > e.time or later.id > e.id
        else e.stage = 'RequestReceived' or later.stage in ('ResponseComplete', 'Panic') end))
order by time desc
