/*
title = "What was done with administrator rights, counted by actor"
group = "compliance"
answers = "One row per user (and whom they impersonated) and right: requests in the group system:masters, own or impersonated, and requests that the authorizer allowed because of the cluster role cluster-admin; how many changed something, read secrets or opened a session. The apiserver's own loopback identity comes last."
cannot_see = "Other roles that give everything under another name (cluster-admin-bindings). Which person used a shared account. Who holds the right and did not use it. What was typed in a session."
level = "Metadata"
tags = ["pci-dss:10.2.1.2", "nist-800-53:AU-2"]

[columns]
user = "who asked"
as_user = "whom they impersonated"
admin_by = "system:masters, or cluster-admin"
requests = "how many ended"
changes = "of these, creations, updates, patches and deletions"
secrets = "of these, reads of secrets"
sessions = "of these, exec, attach, port-forward or proxy"
refused = "of these, refused (by admission, or other authorizers)"
first_hour = "hour of the first"
last_hour = "hour of the last"
cluster = "where"
*/
with used as (
  select cluster, user, impersonated_user, 'system:masters' as admin_by, verb, resource,
    subresource, outcome, first_time, last_time, events
  from event_counts
  where user_groups match 'system:masters'
    and impersonated_user is null
    and stage match 'ResponseComplete,Panic'
    and cluster match :cluster and user match :user and time >= :since and time < :until
  union all
  select cluster, user, impersonated_user, 'system:masters', verb, resource, subresource, outcome,
    first_time, last_time, events
  from event_counts
  where impersonated_groups match 'system:masters'
    and impersonated_user is not null
    and stage match 'ResponseComplete,Panic'
    and cluster match :cluster and user match :user and time >= :since and time < :until
  union all
  select cluster, user, impersonated_user, 'cluster-admin', verb, resource, subresource, outcome,
    first_time, last_time, events
  from event_counts
  where decision_reason match '*ClusterRole "cluster-admin" to *'
    and stage match 'ResponseComplete,Panic'
    and cluster match :cluster and user match :user and time >= :since and time < :until
)
select
  user, impersonated_user as as_user, admin_by, sum(events) as requests,
  sum(iif(verb in ('create', 'update', 'patch', 'delete', 'deletecollection')
    and coalesce(subresource, '') not in ('exec', 'attach', 'portforward', 'proxy'), events, 0))
    as changes,
  sum(iif(resource = 'secrets' and verb in ('get', 'list', 'watch'), events, 0)) as secrets,
  sum(iif(subresource in ('exec', 'attach', 'portforward', 'proxy'), events, 0)) as sessions,
  sum(iif(outcome glob 'denied_*', events, 0)) as refused,
  substr(min(first_time), 1, 13) || ':00:00.000000Z' as first_hour,
  substr(max(last_time), 1, 13) || ':00:00.000000Z' as last_hour, cluster
from used
group by cluster, user, impersonated_user, admin_by
order by user is 'system:apiserver', requests desc, user, as_user, admin_by, cluster
