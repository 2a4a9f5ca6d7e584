/*
title = "Who created, changed or deleted namespaces"
group = "change"
answers = "One row per request, newest first, with the pod security labels that it sets. Finalizing is shown too: it ends a deletion, and by hand it leaves things behind."
cannot_see = "What was deleted inside of a namespace with it: the namespace controller does that, as delete and deletecollection requests of its own. Labels below level Request. Calls that the audit policy left out."
level = "Metadata"
tags = ["pci-dss:10.2.1.7"]

[columns]
time = "when the request ended"
user = "who asked"
as_user = "whom they impersonated"
verb = "what was asked"
subresource = "finalize, or NULL"
name = "its name"
pod_security_labels = "labels pod-security.kubernetes.io/... that the request sets (null removes one), a JSON object; NULL when there are none or the body is not recorded"
outcome = "success, denied_authz, conflict, ..."
dry_run = "1 when nothing changed because of dryRun=All"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  time, user, impersonated_user as as_user, verb, subresource, name,
  nullif((
    select json_group_object(label.key, label.value) from (
      select part.key, part.atom as value
      from json_each(request_object, '$.metadata.labels') as part
      where part.key like 'pod-security.kubernetes.io/%'
      union all
      -- A JSON Patch writes the slash of a label's key as ~1.
      select
        replace(substr(json_extract(step.op, '$.path'), length('/metadata/labels/') + 1), '~1', '/'),
        json_extract(step.op, '$.value')
      from (
        select case when type = 'object' then value end as op
        from json_each(case when json_type(request_object) = 'array' then request_object end)
      ) as step
      where json_extract(step.op, '$.path') like '/metadata/labels/pod-security.kubernetes.io~1%'
    ) as label
  ), '{}') as pod_security_labels,
  outcome, dry_run, source_ip, user_agent, cluster, audit_id
from events
where resource = 'namespaces'
  and api_group is null
  and verb in ('create', 'update', 'patch', 'delete', 'deletecollection')
  and subresource match '!status'
  and stage in ('ResponseComplete', 'Panic')
  and cluster match :cluster
  and name match :name
  and verb match :verb
  and user match :user
  and outcome match :outcome
  and time >= :since and time < :until
order by time desc, id desc
