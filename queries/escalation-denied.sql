/*
title = "Who tried to grant rights that they do not hold"
group = "access"
answers = "One row per request that RBAC's guard against escalation refused, newest first: roles with more rules, and bindings to roles, than the asker holds."
cannot_see = "Escalations that succeeded (see the changes of roles and bindings). Attempts that the authorizer refused before the guard (see forbidden-bursts)."
level = "Metadata"
tags = ["pci-dss:10.2.1.5", "attack:T1098.006"]

[columns]
time = "when the request ended"
user = "who asked"
as_user = "whom they impersonated"
verb = "what they tried"
resource = "roles, clusterroles, rolebindings or clusterrolebindings"
namespace = "its namespace"
name = "name of the object"
role_ref = "role of the binding, if recorded"
subjects = "who was to get it, a JSON array, if recorded"
message = "the apiserver's words, which list what is not held"
dry_run = "1 when it was a try with dryRun=All"
source_ip = "address that no client can forge"
client_ip = "first recorded address, as claimed"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  time, user, impersonated_user as as_user, verb, resource, namespace, name, role_ref, subjects,
  message, dry_run, source_ip, client_ip, user_agent, cluster, audit_id
from events
where outcome = 'denied_escalation'
  and stage = 'ResponseComplete'
  and cluster match :cluster
  and user match :user
  and verb match :verb
  and resource match :resource
  and namespace match :namespace
  and name match :name
  and source_ips match :source_ip
  and user_agent match :user_agent
  and time >= :since and time < :until
order by time desc, id desc
