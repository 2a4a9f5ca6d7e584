/*
title = "Who reached for the audit log itself, through Kubernetes"
group = "compliance"
answers = "One row per user, verb and target, the most requests first: requests that lead to where audit logs lie or are kept, which are the apiserver's /logs, log files of nodes, logs and sessions of pods that make or keep them, and config maps and secrets with such a name."
cannot_see = "Access to AuditQL: the store does not record who asks it. Access to the files on a node or to backups. Pods and objects with other names: name them with --trail. Sessions that have not ended."
level = "Metadata"
tags = ["pci-dss:10.2.1.3", "nist-800-53:AU-9"]

[params]
trail = { type = "words", default = "kube-apiserver*,*audit*", help = "Names of pods, services, config maps and secrets that make, keep or steer the audit log" }

[columns]
user = "who asked; NULL when nobody was authenticated"
as_user = "whom they impersonated"
verb = "what was asked"
target = "what it leads to"
requests = "how many ended"
succeeded = "of these, answered with success or connected"
refused = "of these, refused: not authenticated, forbidden, or denied by admission"
cluster = "where"
*/
with reached as (
  select
    cluster, user, impersonated_user, verb, outcome, events,
    'log files of the control plane' as target
  from event_counts
  where resource is null
    and path match '/logs,/logs/*'
    and stage match 'ResponseComplete,Panic'
    and cluster match :cluster and user match :user and time >= :since and time < :until
  union all
  select cluster, user, impersonated_user, verb, outcome, events, 'log files of a node'
  from event_counts
  where resource = 'nodes'
    and subresource match 'proxy,log'
    and path match '*/proxy/logs,*/proxy/logs/*,*/nodes/*/log,*/nodes/*/log/*'
    and stage match 'ResponseComplete,Panic'
    and cluster match :cluster and user match :user and time >= :since and time < :until
  union all
  select
    cluster, user, impersonated_user, verb, outcome, events,
    resource || '/' || subresource || ' of what makes or keeps the log'
  from event_counts
  where resource in ('pods', 'services')
    and subresource in ('log', 'exec', 'attach', 'portforward', 'proxy', 'ephemeralcontainers')
    and name match :trail
    and stage match 'ResponseComplete,Panic'
    and cluster match :cluster and user match :user and time >= :since and time < :until
  union all
  select
    cluster, user, impersonated_user, verb, outcome, events, 'settings of the log: ' || resource
  from event_counts
  where resource in ('configmaps', 'secrets')
    and name match :trail
    and stage match 'ResponseComplete,Panic'
    and cluster match :cluster and user match :user and time >= :since and time < :until
)
select
  user, impersonated_user as as_user, verb, target, sum(events) as requests,
  sum(iif(outcome in ('success', 'upgraded'), events, 0)) as succeeded,
  sum(iif(outcome glob 'denied_*', events, 0)) as refused, cluster
from reached
group by cluster, user, impersonated_user, verb, target
order by requests desc, user, verb, target, as_user, cluster
