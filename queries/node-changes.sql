/*
title = "Who created, deleted, cordoned, tainted or labelled nodes"
group = "change"
answers = "One row per request on a node, newest first, with what a patch touches. Status updates of kubelets are left out."
cannot_see = "What an update (the whole node sent back) changed, as opposed to what it left as it was: for that compare the objects. What a patch touches below level Request. Calls that the audit policy left out."
level = "Metadata"
tags = ["pci-dss:10.2.1.7", "attack:T1496"]

[columns]
time = "when the request ended"
user = "who asked"
as_user = "whom they impersonated"
verb = "what was asked"
name = "its name"
touches = "what a patch touches: cordon, uncordon, taints, labels, annotations, ... a comma list; NULL when it is no patch or its body is not recorded"
taints = "taints as the request sets them, a JSON array"
outcome = "success, denied_authz, conflict, ..."
dry_run = "1 when nothing changed because of dryRun=All"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  time, user, impersonated_user as as_user, verb, name,
  case when verb = 'patch' then (
    select group_concat(distinct part) from (
      select case
        when path = '/spec/unschedulable' and value = 1 then 'cordon'
        when path = '/spec/unschedulable' then 'uncordon'
        when path like '/spec/taints%' then 'taints'
        when path like '/metadata/labels%' then 'labels'
        when path like '/metadata/annotations%' then 'annotations'
        else path
      end as part
      from (
        -- A merge, strategic or apply patch.
        select '/spec/' || key as path, atom as value from json_each(request_object, '$.spec')
        union all
        select '/metadata/' || key, null from json_each(request_object, '$.metadata')
        where key not in ('name', 'uid', 'resourceVersion')
        union all
        -- A JSON Patch.
        select
          json_extract(step.op, '$.path'),
          json_extract(step.op, '$.op') <> 'remove' and json_extract(step.op, '$.value') is 1
        from (
          select case when type = 'object' then value end as op
          from json_each(case when json_type(request_object) = 'array' then request_object end)
        ) as step
        where json_extract(step.op, '$.op') <> 'test'
      )
      where path not like '/spec/$%' and path not like '/metadata/$%'
    )
  ) end as touches,
  coalesce(
    request_object -> '$.spec.taints',
    (
      select json_extract(step.op, '$.value')
      from (
        select case when type = 'object' then value end as op
        from json_each(case when json_type(request_object) = 'array' then request_object end)
      ) as step
      where json_extract(step.op, '$.path') like '/spec/taints%'
    )
  ) as taints,
  outcome, dry_run, source_ip, user_agent, cluster, audit_id
from events
where resource = 'nodes'
  and api_group is null
  and subresource is null
  and verb in ('create', 'update', 'patch', 'delete', 'deletecollection')
  and stage in ('ResponseComplete', 'Panic')
  and cluster match :cluster
  and name match :name
  and verb match :verb
  and user match :user
  and outcome match :outcome
  and time >= :since and time < :until
order by time desc, id desc
