/*
title = "Everything that a user did, or that was done in their name"
group = "who"
answers = "One row per request that the user made, whoever they impersonated, or that somebody made impersonating them, newest first. A watch or session that has not ended is one row, too."
cannot_see = "Attempts to impersonate them that were denied: those name them in the message only. Calls that the audit policy left out, and those of which only the arrival was recorded unless --unanswered is given."
level = "Metadata"
tags = ["pci-dss:10.2.1.1"]
required = ["user"]

[params.user]
help = "User, as authenticated or as impersonated"

[params.unanswered]
type = "flag"
help = "Also calls of which only the arrival was recorded; slower"
default = false

[columns]
time = "when the request ended"
user = "who asked; NULL when nobody was authenticated"
as_user = "whom they impersonated"
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
  e.time, e.user, e.impersonated_user as as_user, e.verb, e.resource, e.subresource, e.namespace,
  e.name, e.outcome, e.code, e.dry_run, e.request_uri, e.source_ip, e.user_agent, e.cluster,
  e.audit_id
from events as e
where e.user match :user
  and e.cluster match :cluster
  and e.verb match :verb
  and e.resource match :resource
  and e.namespace match :namespace
  and e.name match :name
  and e.outcome match :outcome
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
  e.time, e.user, e.impersonated_user as as_user, e.verb, e.resource, e.subresource, e.namespace,
  e.name, e.outcome, e.code, e.dry_run, e.request_uri, e.source_ip, e.user_agent, e.cluster,
  e.audit_id
from events as e
where :user not glob '!*' and e.impersonated_user match :user
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
