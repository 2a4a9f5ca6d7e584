/*
title = "Who used privileges: cluster-admin, impersonation, sessions in pods, secrets, tokens, RBAC, admission"
group = "access"
answers = "One row per identity and privilege that it used or tried to use, the weightiest privilege first: how many calls went through, how many were refused or failed, in how many namespaces, in which hours the first and the last."
cannot_see = "What was done inside a session or with a secret (who-execd and secret-reads list the calls). Roles that give as much under another name than cluster-admin, unless given with --role. Calls that the audit policy left out. Of a watch or session of which only one stage was recorded, that stage counts."
level = "Metadata"
tags = ["pci-dss:10.2.1.2", "attack:T1078"]

[params]
role = { type = "text", default = "cluster-admin", help = "Cluster role that counts as giving everything; * stands for anything" }
privilege = { type = "text", help = "Only this privilege; * stands for anything" }

[columns]
privilege = "system:masters, cluster-admin, impersonation, rbac change, rbac escalation refused, token request, certificate approval, exec, attach, port-forward, debug container, proxy, secret read, admission change"
user = "who asked"
as_user = "whom they impersonated"
calls = "how many went through"
refused = "how many were refused"
failed = "how many failed otherwise"
dry_runs = "how many of those that went through changed nothing because of dryRun=All"
namespaces = "in how many namespaces"
first_hour = "hour of the first in the time range"
last_hour = "hour of the last"
cluster = "where"
*/
with counted as materialized (
  select
    1 as rank, 'system:masters' as privilege, cluster, user, impersonated_user, stage, outcome,
    dry_run, null as namespace, hour, sum(events) as events
  from event_counts
  where user_groups match 'system:masters'
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and user match :user
    and namespace match :namespace
    and time >= :since and time < :until
  group by cluster, user, impersonated_user, stage, outcome, dry_run, hour
  union all
  select
    2, 'cluster-admin', cluster, user, impersonated_user, stage, outcome, dry_run, namespace,
    hour, sum(events)
  from event_counts
  where decision_reason glob 'RBAC: allowed by *Binding "*" of ClusterRole "' || :role || '" to *'
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and user match :user
    and namespace match :namespace
    and time >= :since and time < :until
  group by cluster, user, impersonated_user, stage, outcome, dry_run, namespace, hour
  union all
  select
    3, 'impersonation', cluster, user, impersonated_user, stage, outcome, dry_run, namespace,
    hour, sum(events)
  from event_counts
  where impersonated_user is not null
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and user match :user
    and namespace match :namespace
    and time >= :since and time < :until
  group by cluster, user, impersonated_user, stage, outcome, dry_run, namespace, hour
  union all
  select
    3, 'impersonation', cluster, user, null, stage, outcome, dry_run, namespace, hour, sum(events)
  from event_counts
  where outcome = 'denied_authz' and decision is null
    and message glob '*" cannot impersonate*'
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and user match :user
    and namespace match :namespace
    and time >= :since and time < :until
  group by cluster, user, stage, outcome, dry_run, namespace, hour
  union all
  select
    iif(outcome = 'denied_escalation', 5, 4),
    iif(outcome = 'denied_escalation', 'rbac escalation refused', 'rbac change'),
    cluster, user, impersonated_user, stage, outcome, dry_run, namespace, hour, sum(events)
  from event_counts
  where resource in ('roles', 'clusterroles', 'rolebindings', 'clusterrolebindings')
    and api_group = 'rbac.authorization.k8s.io'
    and verb in ('create', 'update', 'patch', 'delete', 'deletecollection')
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster
    and user match :user
    and namespace match :namespace
    and time >= :since and time < :until
  group by cluster, user, impersonated_user, stage, outcome, dry_run, namespace, hour
  union all
  select
    6, 'token request', cluster, user, impersonated_user, stage, outcome, dry_run, namespace, hour,
    sum(events)
  from event_counts
  where resource = 'serviceaccounts' and api_group is null and subresource = 'token'
    and verb = 'create'
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster
    and user match :user
    and namespace match :namespace
    and time >= :since and time < :until
  group by cluster, user, impersonated_user, stage, outcome, dry_run, namespace, hour
  union all
  select
    7, 'certificate approval', cluster, user, impersonated_user, stage, outcome, dry_run, namespace,
    hour, sum(events)
  from event_counts
  where resource = 'certificatesigningrequests' and api_group = 'certificates.k8s.io'
    and subresource = 'approval'
    and verb in ('update', 'patch')
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster
    and user match :user
    and namespace match :namespace
    and time >= :since and time < :until
  group by cluster, user, impersonated_user, stage, outcome, dry_run, namespace, hour
  union all
  select
    8,
    case subresource
      when 'portforward' then 'port-forward'
      when 'ephemeralcontainers' then 'debug container'
      else subresource
    end,
    cluster, user, impersonated_user, stage, outcome, dry_run, namespace, hour, sum(events)
  from event_counts
  where resource in ('pods', 'services', 'nodes') and api_group is null
    and subresource in ('exec', 'attach', 'portforward', 'ephemeralcontainers', 'proxy')
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and user match :user
    and namespace match :namespace
    and time >= :since and time < :until
  group by cluster, user, impersonated_user, subresource, stage, outcome, dry_run, namespace, hour
  union all
  select
    9, 'secret read', cluster, user, impersonated_user, stage, outcome, dry_run, namespace, hour,
    sum(events)
  from event_counts
  where resource = 'secrets' and api_group is null and subresource is null
    and verb in ('get', 'list', 'watch')
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and user match :user
    and namespace match :namespace
    and time >= :since and time < :until
  group by cluster, user, impersonated_user, stage, outcome, dry_run, namespace, hour
  union all
  select
    10, 'admission change', cluster, user, impersonated_user, stage, outcome, dry_run, null, hour,
    sum(events)
  from event_counts
  where resource in (
      'validatingwebhookconfigurations', 'mutatingwebhookconfigurations',
      'validatingadmissionpolicies', 'validatingadmissionpolicybindings',
      'mutatingadmissionpolicies', 'mutatingadmissionpolicybindings'
    )
    and api_group = 'admissionregistration.k8s.io'
    and subresource match '!status'
    and verb in ('create', 'update', 'patch', 'delete', 'deletecollection')
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster
    and user match :user
    and namespace match :namespace
    and time >= :since and time < :until
  group by cluster, user, impersonated_user, stage, outcome, dry_run, hour
), by_outcome as (
  -- Of long-running calls either stage may be missing, and both stand for one call.
  select
    rank, privilege, cluster, user, impersonated_user, outcome, dry_run,
    max(
      ifnull(sum(events) filter (where stage = 'ResponseStarted'), 0),
      ifnull(sum(events) filter (where stage <> 'ResponseStarted'), 0)
    ) as calls
  from counted
  group by rank, privilege, cluster, user, impersonated_user, outcome, dry_run
), shown as (
  select
    rank, privilege, cluster, user, impersonated_user,
    sum(calls) filter (where outcome in ('success', 'upgraded')) as calls,
    sum(calls) filter (where outcome glob 'denied*') as refused,
    sum(calls) filter (
      where outcome not in ('success', 'upgraded') and outcome not glob 'denied*') as failed,
    sum(calls) filter (where outcome = 'success' and dry_run = 1) as dry_runs
  from by_outcome
  group by rank, privilege, cluster, user, impersonated_user
), spread as (
  select
    privilege, cluster, user, impersonated_user, count(distinct namespace) as namespaces,
    min(hour) as first_hour, max(hour) as last_hour
  from counted
  group by privilege, cluster, user, impersonated_user
)
select
  shown.privilege, shown.user, shown.impersonated_user as as_user, ifnull(calls, 0) as calls,
  ifnull(refused, 0) as refused, ifnull(failed, 0) as failed, ifnull(dry_runs, 0) as dry_runs,
  namespaces, first_hour, last_hour, shown.cluster
from shown join spread
  on spread.privilege = shown.privilege and spread.cluster = shown.cluster
    and spread.user is shown.user and spread.impersonated_user is shown.impersonated_user
where :privilege is null or shown.privilege glob :privilege
order by rank, shown.privilege, calls desc, shown.user, as_user
