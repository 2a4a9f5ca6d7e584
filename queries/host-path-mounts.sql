/*
title = "Who mounted directories of the node into pods"
group = "change"
answers = "One row per request that submits a hostPath volume, in a pod or in the pod template of any workload, whole or as a patch, newest first. The actor is who submitted the template; pods that controllers make from it appear with --controllers and name their owner."
cannot_see = "Local persistent volumes and CSI drivers that reach the node's files. Pods below level Request. Calls that the audit policy left out."
level = "Request"
tags = ["attack:T1611", "attack:T1552.001"]

[params]
path = { type = "text", help = "Directory of the node, * for any characters: /etc*, /var/run/docker.sock" }
controllers = { type = "flag", default = false, help = "Also objects that a controller made" }

[columns]
time = "when the request ended"
user = "who asked"
as_user = "whom they impersonated"
paths = "directories and files of the node, a JSON array"
verb = "what was asked"
resource = "resource"
namespace = "its namespace"
name = "its name"
owner = "controller that made the object, as ReplicaSet/web-7d4f9; NULL when its template was submitted by the user"
images = "images of the pods, a JSON array"
outcome = "success, denied_authz, conflict, ..."
dry_run = "1 when nothing changed because of dryRun=All"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  time, user, impersonated_user as as_user,
  (
    select json_group_array(substr(mount.value, length('hostPath:') + 1))
    from json_each(pod_security) as mount
    where mount.value glob 'hostPath:*'
  ) as paths,
  verb, resource, namespace, name, owner, images, outcome, dry_run, source_ip, user_agent, cluster,
  audit_id
from events
where pod_security match 'hostPath:' || coalesce(:path, '*')
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
