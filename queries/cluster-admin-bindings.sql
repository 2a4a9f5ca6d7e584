/*
title = "Who was bound to cluster-admin or another role that gives everything"
group = "change"
answers = "One row per request that created or changed a binding to such a role, newest first, with the subjects it names. The binding's own name does not matter."
cannot_see = "Roles that give everything under another name, unless they are given with --role; rbac-grants shows their rules. What was bound before the recording began. Bindings below level Request. Calls that the audit policy left out."
level = "Request"
tags = ["pci-dss:10.2.1.5", "attack:T1098.006", "attack:T1078"]

[params]
role = { type = "words", default = "*cluster-admin*,*superuser*,*super-admin*", help = "Roles that count as giving everything, as KIND/NAME" }
subject = { type = "words", help = "Any subject: User:alice, Group:system:*, ServiceAccount:kube-system/*" }

[columns]
time = "when the request ended"
user = "who asked"
as_user = "whom they impersonated"
subjects = "who got the role: User:alice, Group:ops, ServiceAccount:ns/name; a JSON array"
role_ref = "role, as ClusterRole/cluster-admin"
verb = "what was asked"
resource = "resource"
namespace = "namespace that a RoleBinding is limited to"
name = "its name"
outcome = "success, denied_authz, conflict, ..."
dry_run = "1 when nothing changed because of dryRun=All"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  time, user, impersonated_user as as_user, subjects, role_ref, verb, resource, namespace, name,
  outcome, dry_run, source_ip, user_agent, cluster, audit_id
from events
where resource in ('clusterrolebindings', 'rolebindings')
  and api_group = 'rbac.authorization.k8s.io'
  and verb in ('create', 'update', 'patch')
  and stage in ('ResponseComplete', 'Panic')
  and role_ref match :role
  and subjects match :subject
  and cluster match :cluster
  and resource match :resource
  and namespace match :namespace
  and name match :name
  and user match :user
  and outcome match :outcome
  and time >= :since and time < :until
order by time desc, id desc
