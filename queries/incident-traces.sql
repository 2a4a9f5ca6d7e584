/*
title = "What an incident did to cover its tracks"
group = "incident"
answers = "One row per request, oldest first, that deleted what the same user had created before in the incident, deleted the cluster's own records (Events), or used the audit ID of another request. Tries that failed are there and say so, dry runs are not. Without any of the filters but the time there are no rows."
cannot_see = "Changes of the audit policy and deleted audit files: they are made on the control plane's nodes, not through the apiserver. What a deleted collection held. Whether somebody else had made the object anew in between. Deletions of what another user had created: who-deleted. Tidying up looks the same."
level = "Metadata"
tags = ["attack:T1070"]

[params.user]
help = "User, as authenticated or as impersonated"

[columns]
time = "when the request ended"
why = "deleted, or tried to delete, what it had created or records; or reused an audit ID"
user = "who asked"
as_user = "whom they impersonated"
verb = "verb"
resource = "resource"
namespace = "its namespace"
name = "its name; NULL for a collection"
created_time = "when the same user had created it in the incident"
outcome = "success, denied_authz, not_found, ..."
dry_run = "1 when nothing changed because of dryRun=All; only where an audit ID was reused"
request_uri = "path and query as sent"
source_ip = "address that no client can forge"
client_ip = "first recorded address, as claimed"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show; that of several requests when it was reused"
*/
with own as materialized (
  select
    id, time, user, verb, resource, subresource, namespace, outcome, dry_run, cluster, audit_id,
    iif(verb in ('create', 'delete'), name, null) as name
  from events
  where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
    and user match :user
    and stage in ('ResponseComplete', 'Panic')
    and source_ips match :source_ip
    and resource match :resource
    and namespace match :namespace
    and name match :name
    and audit_id match :audit_id
    and cluster match :cluster
    and time >= :since and time < :until
  union all
  select
    id, time, user, verb, resource, subresource, namespace, outcome, dry_run, cluster, audit_id,
    iif(verb in ('create', 'delete'), name, null) as name
  from events
  where :user is not null
    and impersonated_user match :user
    and stage in ('ResponseComplete', 'Panic')
    and source_ips match :source_ip
    and resource match :resource
    and namespace match :namespace
    and name match :name
    and audit_id match :audit_id
    and cluster match :cluster
    and time >= :since and time < :until
    and id not in (
      select id from events
      where impersonated_user match :user and user match :user
        and time >= :since and time < :until)
), created as materialized (
  select cluster, user, resource, namespace, name, min(time) as time
  from own
  where verb = 'create' and subresource is null and name is not null
    and outcome = 'success' and dry_run = 0
  group by cluster, user, resource, namespace, name
), repeated as materialized (
  select cluster, audit_id from own group by cluster, audit_id having count(*) > 1
), reused as materialized (
  select own.cluster, own.audit_id
  from own cross join events as e on e.audit_id = own.audit_id and e.id = own.id
  where (own.cluster, own.audit_id) in (select cluster, audit_id from repeated)
  group by own.cluster, own.audit_id
  having count(distinct e.request_uri || ' ' || ifnull(e.received_time, e.id)) > 1
), track as materialized (
  select
    own.id, own.audit_id, created.time as created_time,
    case
      when created.time is not null
        then iif(own.outcome = 'success', 'deleted', 'tried to delete') || ' what it had created'
      when own.verb in ('delete', 'deletecollection') and own.resource = 'events'
        and own.dry_run = 0
        then iif(own.outcome = 'success', 'deleted', 'tried to delete') || ' records'
      else 'reused an audit ID'
    end as why
  from own
  left join created
    on own.verb = 'delete' and own.subresource is null and own.dry_run = 0
      and created.cluster = own.cluster and created.user = own.user
      and created.resource = own.resource and created.namespace is own.namespace
      and created.name = own.name and created.time <= own.time
  left join reused on reused.cluster = own.cluster and reused.audit_id = own.audit_id
  where created.time is not null
    or own.verb in ('delete', 'deletecollection') and own.resource = 'events' and own.dry_run = 0
    or reused.audit_id is not null
)
-- What is long is read of these only.
select
  e.time, track.why, e.user, e.impersonated_user as as_user, e.verb, e.resource, e.namespace, e.name,
  track.created_time, e.outcome, e.dry_run, e.request_uri, e.source_ip, e.client_ip, e.user_agent,
  e.cluster, e.audit_id
from track cross join events as e on e.audit_id = track.audit_id and e.id = track.id
order by e.time, e.id
