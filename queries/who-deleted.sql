/*
title = "Who deleted an object, or a whole collection of them"
group = "who"
answers = "One row per delete request, eviction or deletecollection with who made it, newest first. With --name also every deletecollection of the resource and namespace, which names no object, and with --namespace the deletion of the namespace itself; target tells them apart."
cannot_see = "Whether a deletecollection held the object: compare the selector in request_uri. Objects that a controller removed have it as their actor: why-deleted looks behind it. Calls that the audit policy left out, and those of which only the arrival was recorded unless --unanswered is given."
level = "Metadata"
tags = ["pci-dss:10.2.1.7", "attack:T1485"]

[params.unanswered]
type = "flag"
help = "Also calls of which only the arrival was recorded; slower"
default = false

[columns]
time = "when the request ended"
user = "who asked; NULL when nobody was authenticated"
as_user = "whom they impersonated"
verb = "delete, deletecollection, or create of an eviction"
resource = "resource that was deleted"
namespace = "its namespace"
name = "its name; NULL for a collection"
target = "object, collection, namespace or eviction"
outcome = "success, denied_authz, not_found, ..."
dry_run = "1 when nothing was deleted because of dryRun=All"
request_uri = "path and query as sent, with the selectors of a collection"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  e.time, e.user, e.impersonated_user as as_user, e.verb, e.resource, e.namespace, e.name,
  case when e.verb = 'deletecollection' then 'collection' when e.resource = 'namespaces' then 'namespace' else 'object' end as target, e.outcome, e.dry_run, e.request_uri, e.source_ip, e.user_agent, e.cluster,
  e.audit_id
from events as e
where e.verb in ('delete', 'deletecollection') and e.subresource is null
  and e.resource match :resource
  and e.namespace match :namespace
  and e.name match :name
  and e.cluster match :cluster
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
union all
select
  e.time, e.user, e.impersonated_user as as_user, e.verb, e.resource, e.namespace, e.name,
  'eviction' as target, e.outcome, e.dry_run, e.request_uri, e.source_ip, e.user_agent, e.cluster,
  e.audit_id
from events as e
where e.verb = 'create' and e.resource = 'pods' and e.subresource = 'eviction'
  and e.resource match :resource
  and e.namespace match :namespace
  and e.name match :name
  and e.cluster match :cluster
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
union all
-- A deletecollection names no object, so any name may have been in it. Words with ! may have
-- taken it in above already.
select
  e.time, e.user, e.impersonated_user as as_user, e.verb, e.resource, e.namespace, e.name,
  'collection' as target, e.outcome, e.dry_run, e.request_uri, e.source_ip, e.user_agent, e.cluster,
  e.audit_id
from events as e
where :name is not null and e.verb = 'deletecollection' and e.name is null and e.subresource is null
  and e.resource match :resource
  and e.namespace match :namespace
  and e.cluster match :cluster
  and e.user match :user
  and e.outcome match :outcome
  and e.time >= :since and e.time < :until
  and (:name not glob '*!*' or e.id not in (
    select id from events
    where verb = 'deletecollection' and name is null and name match :name
      and namespace match :namespace and resource match :resource))
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
  e.time, e.user, e.impersonated_user as as_user, e.verb, e.resource, e.namespace, e.name,
  'namespace' as target, e.outcome, e.dry_run, e.request_uri, e.source_ip, e.user_agent, e.cluster,
  e.audit_id
from events as e
where (:name is not null or :resource is not null) and :namespace is not null
  and e.verb = 'delete' and e.resource = 'namespaces' and e.subresource is null
  and e.name match :namespace
  and e.cluster match :cluster
  and e.user match :user
  and e.outcome match :outcome
  and e.time >= :since and e.time < :until
  and e.id not in (
    select id from events
    where verb = 'delete' and resource = 'namespaces' and resource match :resource
      and namespace match :namespace and name match :name)
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
