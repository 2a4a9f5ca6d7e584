/*
title = "Who changed an object"
group = "who"
answers = "One row per update or patch (apply is a patch) with who made it, newest first. Changes of status, scale and other subresources are set apart, because controllers make them all the time: ask for them with --subresource status or '*'."
cannot_see = "What changed, where bodies are not recorded; an update that changes nothing looks like any other. Calls that the audit policy left out, and those of which only the arrival was recorded unless --unanswered is given."
level = "Metadata"
tags = ["pci-dss:10.2.1.7"]

[params.subresource]
help = "Subresource: status, scale, '*' is any; '!*' is the object itself"
default = "!*"

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
subresource = "status, scale, ...; NULL is the object itself"
namespace = "its namespace"
name = "its name"
outcome = "success, denied_authz, not_found, ..."
code = "201 when it made the object"
dry_run = "1 when nothing changed because of dryRun=All"
field_manager = "fieldManager of the request's query"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  e.time, e.user, e.impersonated_user as as_user, e.verb, e.resource, e.subresource, e.namespace,
  e.name, e.outcome, e.code, e.dry_run, e.field_manager, e.source_ip, e.user_agent, e.cluster,
  e.audit_id
from events as e
where e.verb in ('update', 'patch')
  and e.subresource match :subresource
  and e.cluster match :cluster
  and e.resource match :resource
  and e.namespace match :namespace
  and e.name match :name
  and e.user match :user
  and e.outcome match :outcome
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
order by e.time desc, e.id desc
