/*
title = "Who submitted pods or templates with the rights of the node"
group = "change"
answers = "One row per request that submits a privileged container, host namespaces, added capabilities or an unmasked /proc, in a pod or in the pod template of any workload, whole or as a patch, newest first. The actor is who submitted the template; pods that controllers make from it appear with --controllers and name their owner."
cannot_see = "Rights that an object had already when a patch touched something else. Pods below level Request. Custom resources whose controller fills in the rights. Calls that the audit policy left out."
level = "Request"
tags = ["attack:T1611", "attack:T1610", "pci-dss:10.2.1.7"]

[params]
rights = { type = "words", default = "privileged,hostNetwork,hostPID,hostIPC,capability:*,procMount:*", help = "Any of these rights; also allowPrivilegeEscalation, runAsUser:0, hostPort:*, hostPath:*" }
controllers = { type = "flag", default = false, help = "Also objects that a controller made" }

[columns]
time = "when the request ended"
user = "who asked"
as_user = "whom they impersonated"
verb = "what was asked"
resource = "resource"
namespace = "its namespace"
name = "its name"
owner = "controller that made the object, as ReplicaSet/web-7d4f9; NULL when its template was submitted by the user"
pod_security = "what the pods may do: privileged, hostNetwork, hostPID, capability:SYS_ADMIN, ...; a JSON array"
images = "images of the pods, a JSON array"
outcome = "success, denied_authz, conflict, ..."
dry_run = "1 when nothing changed because of dryRun=All"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  time, user, impersonated_user as as_user, verb, resource, namespace, name, owner, pod_security,
  images, outcome, dry_run, source_ip, user_agent, cluster, audit_id
from events
where pod_security match :rights
  and owner match case when :controllers then null else '!*' end
  and verb in ('create', 'update', 'patch')
  and stage in ('ResponseComplete', 'Panic')
  and cluster match :cluster
  and resource match :resource
  and namespace match :namespace
  and name match :name
  and images match :image
  and user match :user
  and outcome match :outcome
  and time >= :since and time < :until
order by time desc, id desc
