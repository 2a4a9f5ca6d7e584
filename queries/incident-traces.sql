/*
title = "What an incident did to cover its tracks"
group = "incident"
answers = "One row per request, oldest first, that deleted what the same user had created before in the incident, deleted the cluster's own records (Events), or used the audit ID of another request. Tries that failed are there and say so, dry runs are not."
cannot_see = "Changes of the audit policy and deleted audit files: they are made on the control plane's nodes, not through the apiserver. What a deleted collection held. Whether somebody else had made the object anew in between. Deletions of what another user had created: who-deleted. Tidying up looks the same."
level = "Metadata"
tags = ["attack:T1070"]
one_of = ["user", "source_ip", "resource", "namespace", "name", "audit_id"]
tables = ["incident-events", "incident-tally"]

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
with created as materialized (
  select cluster, user, resource, namespace, name, min(time) as time
  from (
    select cluster, user, resource, namespace, name, first_time as time
    from incident_tally
    where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
      and user match :user
      and verb = 'create' and subresource is null and name is not null
      and outcome = 'success' and dry_run = 0
      and stage in ('ResponseComplete', 'Panic')
    union all
    select cluster, user, resource, namespace, name, first_time
    from incident_tally
    where :user not glob '!*' and impersonated_user match :user
      and verb = 'create' and subresource is null and name is not null
      and outcome = 'success' and dry_run = 0
      and stage in ('ResponseComplete', 'Panic')
  )
  group by name, namespace, resource, user, cluster
), repeated as materialized (
  select audit_id
  from repeated_audit_ids
  where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
    and identity match :user
    and stage match 'ResponseComplete,Panic'
    and source_ips match :source_ip
    and resource match :resource
    and namespace match :namespace
    and name match :name
    and audit_id match :audit_id
    and cluster match :cluster
    and time >= :since and time < :until
), sharing as materialized (
  select e.id, e.request_uri, e.received_time, e.cluster, e.audit_id
  from repeated cross join incident_events as e on e.audit_id = repeated.audit_id
  where e.user match :user
    and e.stage in ('ResponseComplete', 'Panic')
  union
  select e.id, e.request_uri, e.received_time, e.cluster, e.audit_id
  from repeated cross join incident_events as e on e.audit_id = repeated.audit_id
  where :user not glob '!*' and e.impersonated_user match :user
    and e.stage in ('ResponseComplete', 'Panic')
), reused as materialized (
  select cluster, audit_id
  from sharing
  group by cluster, audit_id
  having count(distinct request_uri || ' ' || ifnull(received_time, id)) > 1
), deleting as (
  select
    id, time, user, impersonated_user, verb, resource, subresource, namespace, name, outcome, dry_run,
    request_uri, source_ip, client_ip, user_agent, cluster, audit_id
  from incident_events
  where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
    and user match :user
    and verb in ('delete', 'deletecollection')
    and stage in ('ResponseComplete', 'Panic')
  union all
  select
    id, time, user, impersonated_user, verb, resource, subresource, namespace, name, outcome, dry_run,
    request_uri, source_ip, client_ip, user_agent, cluster, audit_id
  from incident_events
  where :user not glob '!*' and impersonated_user match :user
    and verb in ('delete', 'deletecollection')
    and stage in ('ResponseComplete', 'Panic')
    and id not in (
      select id from events
      where impersonated_user match :user and user match :user
        and time >= :since and time < :until)
), track as (
  select
    deleting.*, created.time as created_time,
    case
      when created.time is not null
        then iif(outcome = 'success', 'deleted', 'tried to delete') || ' what it had created'
      when deleting.resource = 'events' and dry_run = 0
        then iif(outcome = 'success', 'deleted', 'tried to delete') || ' records'
      when (deleting.cluster, audit_id) in (select cluster, audit_id from reused)
        then 'reused an audit ID'
    end as why
  from deleting left join created
    on deleting.verb = 'delete' and deleting.subresource is null and deleting.dry_run = 0
      and created.cluster = deleting.cluster and created.user = deleting.user
      and created.resource = deleting.resource and created.namespace is deleting.namespace
      and created.name = deleting.name and created.time <= deleting.time
  union all
  select
    e.id, e.time, e.user, e.impersonated_user, e.verb, e.resource, e.subresource, e.namespace,
    e.name, e.outcome, e.dry_run, e.request_uri, e.source_ip, e.client_ip, e.user_agent, e.cluster,
    e.audit_id, null, 'reused an audit ID'
  from sharing cross join events as e on e.audit_id = sharing.audit_id and e.id = sharing.id
  where (sharing.cluster, sharing.audit_id) in (select cluster, audit_id from reused)
    and ifnull(e.verb, '') not in ('delete', 'deletecollection')
)
select
  time, why, user, impersonated_user as as_user, verb, resource, namespace, name, created_time,
  outcome, dry_run, request_uri, source_ip, client_ip, user_agent, cluster, audit_id
from track
where why is not null
order by time, id
