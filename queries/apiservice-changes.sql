/*
title = "Who changed aggregated APIs"
group = "change"
answers = "One row per request that created, changed or deleted an APIService, newest first, with the service that answers for that API and whether its certificate is checked. Who controls it sees the credentials and objects of every call to it."
cannot_see = "Calls that the aggregated server answered. Service and certificate below level Request. Calls that the audit policy left out."
level = "Metadata"
tags = ["pci-dss:10.2.1.7"]

[columns]
time = "when the request ended"
user = "who asked"
as_user = "whom they impersonated"
verb = "what was asked"
name = "its name"
service = "service that answers, as NAMESPACE/NAME; NULL when the apiserver itself does or the body is not recorded"
insecure = "1 when the service's certificate is not checked, 0 when it is, NULL when that is not recorded"
outcome = "success, denied_authz, conflict, ..."
dry_run = "1 when nothing changed because of dryRun=All"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  time, user, impersonated_user as as_user, verb, name,
  coalesce(
    response_object ->> '$.spec.service.namespace', request_object ->> '$.spec.service.namespace'
  ) || '/' || coalesce(
    response_object ->> '$.spec.service.name', request_object ->> '$.spec.service.name'
  ) as service,
  coalesce(
    response_object ->> '$.spec.insecureSkipTLSVerify',
    request_object ->> '$.spec.insecureSkipTLSVerify',
    -- Left out of a whole object it is false; left out of a patch it is not known.
    case
      when response_object ->> '$.kind' = 'APIService' then 0
      when verb in ('create', 'update') and request_object -> '$.spec' is not null then 0
    end
  ) as insecure,
  outcome, dry_run, source_ip, user_agent, cluster, audit_id
from events
where resource = 'apiservices'
  and api_group = 'apiregistration.k8s.io'
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
