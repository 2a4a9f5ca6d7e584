/*
title = "What was tried without changing anything (dry runs)"
group = "change"
answers = "One row per write with dryRun=All, newest first: what it would have submitted and what the answer was. Programs check their changes like this, and so does who explores what is possible."
cannot_see = "A delete whose dryRun stands only in a body that was not recorded counts as a real one. Images, rights and bindings below level Request. Calls that the audit policy left out."
level = "Metadata"
tags = ["attack:T1613"]

[columns]
time = "when the request ended"
user = "who asked"
as_user = "whom they impersonated"
verb = "what was asked"
resource = "resource"
subresource = "its subresource"
namespace = "its namespace"
name = "its name"
outcome = "what the answer would have been"
images = "images that it submitted, a JSON array"
pod_security = "what the pods could have done beyond their sandbox, a JSON array"
role_ref = "role that a binding would have given"
subjects = "to whom, a JSON array"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  time, user, impersonated_user as as_user, verb, resource, subresource, namespace, name, outcome,
  images, pod_security, role_ref, subjects, source_ip, user_agent, cluster, audit_id
from events
where dry_run = 1
  and verb in ('create', 'update', 'patch', 'delete', 'deletecollection')
  and stage in ('ResponseComplete', 'Panic')
  and cluster match :cluster
  and resource match :resource
  and namespace match :namespace
  and name match :name
  and verb match :verb
  and user match :user
  and outcome match :outcome
  and time >= :since and time < :until
order by time desc, id desc
