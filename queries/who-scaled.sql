/*
title = "Who scaled a workload, and from what to what"
group = "who"
answers = "One row per change of a scale subresource, and per update or patch of a deployment, statefulset, replicaset or replicationcontroller that sets another number of replicas, newest first. Autoscalers scale, too; what the controllers of kube-system set in objects themselves is left out, because it follows from such a change."
cannot_see = "Numbers where bodies are not recorded: then only the scale subresource shows that something was scaled. Replicas of custom resources without a scale subresource."
level = "RequestResponse"
tags = []
since = "1d"

[columns]
time = "when the request ended"
user = "who asked; NULL when nobody was authenticated"
as_user = "whom they impersonated"
verb = "verb"
resource = "resource"
subresource = "scale, or NULL when the object itself was changed"
namespace = "its namespace"
name = "its name"
from_replicas = "before: as the last recorded answer in the time range had it, else as many as ran at that moment; NULL when neither is recorded"
to_replicas = "as asked for; NULL when not recorded"
outcome = "success, denied_authz, not_found, ..."
dry_run = "1 when nothing changed because of dryRun=All"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  time, user, impersonated_user as as_user, verb, resource, subresource, namespace, name,
  before as from_replicas, replicas as to_replicas, outcome, dry_run, source_ip, user_agent, cluster,
  audit_id
from scale_history
where verb match 'update,patch'
  and (changed and (verb = 'patch' or before is not null) or subresource is not null)
  and cluster match :cluster
  and resource match :resource
  and namespace match :namespace
  and name match :name
  and user match :user
  and outcome match :outcome
  and time >= :since and time < :until
order by time desc, id desc
