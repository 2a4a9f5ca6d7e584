/*
title = "Who reached for the audit log itself, through Kubernetes"
group = "compliance"
answers = "One row per request, newest first, that leads to where audit logs lie or are kept: the apiserver's /logs, a kubelet's log files, logs and sessions of pods that make or keep them, config maps and secrets with such a name."
cannot_see = "Access to AuditQL: the store does not record who asks it. Access to the files on a node or to backups. Pods and objects with other names: name them with --trail."
level = "Metadata"
tags = ["pci-dss:10.2.1.3", "nist-800-53:AU-9"]

[params]
trail = { type = "words", default = "kube-apiserver*,*audit*", help = "Names of pods, services, config maps and secrets that make, keep or steer the audit log" }

[columns]
time = "when the request ended"
user = "who asked; NULL when nobody was authenticated"
as_user = "whom they impersonated"
verb = "what was asked"
target = "what it leads to"
request_uri = "path and query as sent"
outcome = "success, denied_authz, not_found, ..."
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
with reached as (
  select *, 'log files of the control plane' as target
  from events
  where resource is null
    and path match '/logs,/logs/*'
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster and user match :user and outcome match :outcome
    and time >= :since and time < :until
  union all
  select *, 'log files of a node'
  from events
  where resource = 'nodes'
    and subresource in ('proxy', 'log')
    and path match '*/proxy/logs,*/proxy/logs/*,*/nodes/*/log,*/nodes/*/log/*'
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster and user match :user and outcome match :outcome
    and time >= :since and time < :until
  union all
  select *, 'pod or service that makes or keeps the log'
  from events
  where resource in ('pods', 'services')
    and subresource in ('log', 'exec', 'attach', 'portforward', 'proxy', 'ephemeralcontainers')
    and name match :trail
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster and user match :user and outcome match :outcome
    and time >= :since and time < :until
  union all
  select *, 'settings of the log'
  from events
  where resource in ('configmaps', 'secrets')
    and name match :trail
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster and user match :user and outcome match :outcome
    and time >= :since and time < :until
)
select
  time, user, impersonated_user as as_user, verb, target, request_uri, outcome, source_ip,
  user_agent, cluster, audit_id
from reached
order by time desc, id desc
