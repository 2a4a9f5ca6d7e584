/*
title = "Who changed admission webhooks and admission policies"
group = "change"
answers = "One row per request that created, changed or deleted a validating or mutating webhook configuration, an admission policy or a binding of one, newest first, with where it sends objects and what happens when it cannot be reached."
cannot_see = "What a webhook or policy did to requests. Targets and failure policy below level Request. Calls that the audit policy left out."
level = "Metadata"
tags = ["pci-dss:10.2.1.7", "attack:T1562.001"]

[columns]
time = "when the request ended"
user = "who asked"
as_user = "whom they impersonated"
verb = "what was asked"
resource = "resource"
name = "its name"
targets = "where admission requests go, without certificates: url, or service with namespace, name and path; a JSON array"
failure_policy = "Fail or Ignore, as recorded in the body, a comma list"
actions = "validationActions of a policy binding: Deny, Warn, Audit, a comma list"
outcome = "success, denied_authz, conflict, ..."
dry_run = "1 when nothing changed because of dryRun=All"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  time, user, impersonated_user as as_user, verb, resource, name,
  nullif((
    select json_group_array(json(json_remove(part.value, '$.caBundle')))
    from json_tree(coalesce(request_object, response_object)) as part
    where part.key = 'clientConfig' and part.type = 'object'
  ), '[]') as targets,
  (
    select group_concat(distinct part.atom)
    from json_tree(coalesce(request_object, response_object)) as part
    where part.key = 'failurePolicy'
  ) as failure_policy,
  (
    select group_concat(distinct part.atom)
    from json_tree(coalesce(request_object, response_object)) as part
    where part.path like '%.validationActions'
  ) as actions,
  outcome, dry_run, source_ip, user_agent, cluster, audit_id
from events
where resource in (
    'validatingwebhookconfigurations', 'mutatingwebhookconfigurations',
    'validatingadmissionpolicies', 'validatingadmissionpolicybindings',
    'mutatingadmissionpolicies', 'mutatingadmissionpolicybindings'
  )
  and api_group = 'admissionregistration.k8s.io'
  and verb in ('create', 'update', 'patch', 'delete', 'deletecollection')
  and subresource match '!status'
  and stage in ('ResponseComplete', 'Panic')
  and cluster match :cluster
  and resource match :resource
  and name match :name
  and verb match :verb
  and user match :user
  and outcome match :outcome
  and time >= :since and time < :until
order by time desc, id desc
