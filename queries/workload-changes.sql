/*
title = "Who changed workloads"
group = "change"
answers = "One row per request that created, changed, scaled or deleted a pod or something that makes pods, newest first, with the images and rights it submits. Cluster components are left out unless --by says otherwise."
cannot_see = "What an update changed, as opposed to what it left as it was: for that compare the objects. Images below level Request. Calls that the audit policy left out."
level = "Metadata"
tags = ["pci-dss:10.2.1.7"]

[params]
by = { type = "words", default = "!system:serviceaccount:kube-system:*,!system:node:*,!system:kube-*,!system:apiserver", help = "Users that count; '*' is everyone, cluster components too" }

[columns]
time = "when the request ended"
user = "who asked"
as_user = "whom they impersonated"
verb = "what was asked"
resource = "resource"
subresource = "scale, ephemeralcontainers, eviction, ..."
namespace = "its namespace"
name = "its name"
images = "images that it submits, a JSON array"
pod_security = "what the pods may do beyond their sandbox, a JSON array"
outcome = "success, denied_authz, conflict, ..."
dry_run = "1 when nothing changed because of dryRun=All"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  time, user, impersonated_user as as_user, verb, resource, subresource, namespace, name, images,
  pod_security, outcome, dry_run, source_ip, user_agent, cluster, audit_id
from events
where resource in (
    'pods', 'deployments', 'replicasets', 'statefulsets', 'daemonsets', 'jobs', 'cronjobs',
    'replicationcontrollers', 'podtemplates'
  )
  and verb in ('create', 'update', 'patch', 'delete', 'deletecollection')
  -- The others change nothing that is kept, or are a component's report.
  and subresource match '!status,!binding,!exec,!attach,!portforward,!proxy,!log'
  and stage in ('ResponseComplete', 'Panic')
  and user match :by
  and user match :user
  and cluster match :cluster
  and resource match :resource
  and namespace match :namespace
  and name match :name
  and verb match :verb
  and outcome match :outcome
  and time >= :since and time < :until
order by time desc, id desc
