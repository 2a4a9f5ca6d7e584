/*
title = "Who read a secret, or a list that may have shown it"
group = "who"
answers = "One row per get, list or watch of secrets, newest first. With --name also lists and watches of its namespace, with --namespace also those of all namespaces; scope tells them apart, outcome whether it was allowed."
cannot_see = "Whether a list held the secret: compare the selectors in request_uri. Whether only names and not contents were asked for. Answers to writes of a secret, which hold it as well (who-changed). Secrets that a pod had mounted, or that were read from etcd. Calls that the audit policy left out, and those of which only the arrival was recorded unless --unanswered is given."
level = "Metadata"
tags = ["pci-dss:10.2.1.2", "attack:T1552.007"]

[params.unanswered]
type = "flag"
help = "Also calls of which only the arrival was recorded; slower"
default = false

[columns]
time = "when the request ended"
user = "who asked; NULL when nobody was authenticated"
as_user = "whom they impersonated"
verb = "get, list or watch"
namespace = "namespace that was asked for; NULL is all"
name = "secret that was asked for; NULL is every one"
scope = "secret, namespace or all namespaces"
outcome = "success, denied_authz, not_found, ..."
request_uri = "path and query as sent"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  e.time, e.user, e.impersonated_user as as_user, e.verb, e.namespace, e.name, case when e.name is not null then 'secret' when e.namespace is not null then 'namespace' else 'all namespaces' end as scope,
  e.outcome, e.request_uri, e.source_ip, e.user_agent, e.cluster, e.audit_id
from events as e
where e.resource = 'secrets' and e.api_group is null and e.subresource is null
  and e.verb in ('get', 'list', 'watch')
  and e.namespace match :namespace
  and e.name match :name
  and e.cluster match :cluster
  and e.user match :user
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
-- A list or watch without a name may have shown any. Words with ! may have taken it in above.
select
  e.time, e.user, e.impersonated_user as as_user, e.verb, e.namespace, e.name, case when e.namespace is not null then 'namespace' else 'all namespaces' end as scope,
  e.outcome, e.request_uri, e.source_ip, e.user_agent, e.cluster, e.audit_id
from events as e
where e.resource = 'secrets' and e.api_group is null and e.subresource is null
  and :name is not null and e.verb in ('list', 'watch') and e.name is null
  and e.namespace match :namespace
  and e.cluster match :cluster
  and e.user match :user
  and e.outcome match :outcome
  and e.source_ip match :source_ip
  and e.time >= :since and e.time < :until
  and (:name not glob '*!*' or e.id not in (
    select id from events
    where resource = 'secrets' and verb in ('list', 'watch') and name is null and name match :name
      and namespace match :namespace))
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
  e.time, e.user, e.impersonated_user as as_user, e.verb, e.namespace, e.name, 'all namespaces' as scope,
  e.outcome, e.request_uri, e.source_ip, e.user_agent, e.cluster, e.audit_id
from events as e
where e.resource = 'secrets' and e.api_group is null and e.subresource is null
  and :namespace is not null and e.verb in ('list', 'watch') and e.namespace is null
  and (e.name is null or :name is null or e.name glob :name)
  and e.cluster match :cluster
  and e.user match :user
  and e.outcome match :outcome
  and e.source_ip match :source_ip
  and e.time >= :since and e.time < :until
  and (:namespace not glob '*!*' or e.id not in (
    select id from events
    where resource = 'secrets' and verb in ('list', 'watch') and namespace is null
      and namespace match :namespace))
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
