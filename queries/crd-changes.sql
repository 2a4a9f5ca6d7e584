/*
title = "Who changed custom resource definitions"
group = "change"
answers = "One row per request that created, changed or deleted a CustomResourceDefinition, newest first. Deleting one deletes all its objects."
cannot_see = "The custom objects that went away with a definition: they have no events of their own users. Kind and versions below level Request. Calls that the audit policy left out."
level = "Metadata"
tags = ["pci-dss:10.2.1.7"]

[columns]
time = "when the request ended"
user = "who asked"
as_user = "whom they impersonated"
verb = "what was asked"
name = "its name"
kind = "kind that it defines, as recorded in the body"
scope = "Namespaced or Cluster"
versions = "versions that it defines, a JSON array"
conversion = "webhook that converts between versions: url or service, without certificate"
outcome = "success, denied_authz, conflict, ..."
dry_run = "1 when nothing changed because of dryRun=All"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  time, user, impersonated_user as as_user, verb, name,
  coalesce(response_object ->> '$.spec.names.kind', request_object ->> '$.spec.names.kind') as kind,
  coalesce(response_object ->> '$.spec.scope', request_object ->> '$.spec.scope') as scope,
  nullif((
    select json_group_array(part.atom)
    from json_tree(
      coalesce(response_object -> '$.spec.versions', request_object -> '$.spec.versions')
    ) as part
    where part.fullkey like '$[%].name' and part.path not like '%.%'
  ), '[]') as versions,
  json_remove(
    coalesce(
      response_object -> '$.spec.conversion.webhook.clientConfig',
      request_object -> '$.spec.conversion.webhook.clientConfig'
    ), '$.caBundle'
  ) as conversion,
  outcome, dry_run, source_ip, user_agent, cluster, audit_id
from events
where resource = 'customresourcedefinitions'
  and api_group = 'apiextensions.k8s.io'
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
