/*
title = "Everything that came from an address"
group = "who"
answers = "One row per request for which the address was recorded, newest first. source_ip is the address that no client can forge; when it is another one, the address asked for was a proxy or a claim (see source_ips)."
cannot_see = "Clients behind one proxy or NAT share its address. Calls that the audit policy left out, and those of which only the arrival was recorded unless --unanswered is given."
level = "Metadata"
tags = ["attack:T1078"]
required = ["source_ip"]

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
source_ips = "all recorded addresses, a JSON array; the first ones are the client's claim"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  e.time, e.user, e.impersonated_user as as_user, e.verb, e.resource, e.subresource, e.namespace,
  e.name, e.outcome, e.code, e.dry_run, e.request_uri, e.source_ip, e.source_ips,
  e.user_agent, e.cluster, e.audit_id
from events as e
where e.source_ips match :source_ip
  and e.cluster match :cluster
  and e.verb match :verb
  and e.resource match :resource
  and e.namespace match :namespace
  and e.name match :name
  and e.outcome match :outcome
  and e.user match :user
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
