/*
title = "Who changed the images of workloads, and from what"
group = "change"
answers = "One row per request that submits an image which the object was not recorded to have before, newest first; a new object counts. Objects that a controller made from a template are left out, because the template has a row."
cannot_see = "What was there before the recording or --since began (before is NULL then). A patch names only the images it touches, so an image that an earlier patch did not touch may look new. Images below level Request. Calls that the audit policy left out."
level = "Request"
tags = ["attack:T1525", "attack:T1610"]

[columns]
time = "when the request ended"
user = "who asked"
as_user = "whom they impersonated"
verb = "what was asked"
resource = "resource"
namespace = "its namespace"
name = "its name"
images = { json = "images that the request submits, a JSON array" }
before = { json = "images of the last successful request since --since that submitted any before, a JSON array" }
outcome = "success, denied_authz, conflict, ..."
dry_run = "1 when nothing changed because of dryRun=All"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
with submitted as materialized (
  select
    id,
    images,
    max(
      -- Of earlier rows the newest: times of one length sort as text.
      case when outcome = 'success' and dry_run = 0 then time || images end
    ) over (
      partition by cluster, api_group, resource, namespace, name
      order by time, id rows between unbounded preceding and 1 preceding
    ) as known
  from events
  where resource in (
    'pods', 'deployments', 'replicasets', 'statefulsets', 'daemonsets', 'jobs', 'cronjobs',
    'replicationcontrollers', 'podtemplates'
  )
    and verb in ('create', 'update', 'patch')
    and subresource is null
    and images match '*'
    and owner match '!*'
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster
    and resource match :resource
    and namespace match :namespace
    and name match :name
    and time >= :since and time < :until
),
changed as materialized (
  select id, substr(known, length('2026-01-01T00:00:00.000000Z') + 1) as before
  from submitted
  -- Most submit what was there: the same text is no change.
  where known is null or images <> substr(known, length('2026-01-01T00:00:00.000000Z') + 1) and exists (
    select 1 from json_each(images) as image
    where image.value not in (
      select value from json_each(substr(known, length('2026-01-01T00:00:00.000000Z') + 1))
    )
  )
)
select
  time, user, impersonated_user as as_user, verb, resource, namespace, name, images, before, outcome,
  dry_run, source_ip, user_agent, cluster, audit_id
from events join changed using (id)
where resource in (
    'pods', 'deployments', 'replicasets', 'statefulsets', 'daemonsets', 'jobs', 'cronjobs',
    'replicationcontrollers', 'podtemplates'
  )
  and verb in ('create', 'update', 'patch')
  and subresource is null
  and images match :image
  and owner match '!*'
  and stage in ('ResponseComplete', 'Panic')
  and user match :user
  and outcome match :outcome
  and cluster match :cluster
  and resource match :resource
  and namespace match :namespace
  and name match :name
  and time >= :since and time < :until
order by time desc, id desc
