/*
title = "Who used privileges: cluster-admin, impersonation, sessions in pods, secrets, tokens, RBAC, admission"
group = "access"
answers = "One row per identity and privilege that it used or tried to use, the weightiest privilege first: how many calls went through, how many were refused or failed."
cannot_see = "What was done inside a session or with a secret (who-execd and secret-reads list the calls). Roles that give as much under another name than cluster-admin, unless given with --role. Calls that the audit policy left out. Of watches of which some have no recorded begin and others no recorded end, too few may be counted."
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
cluster = "where"
*/
with calls as not materialized (
  select
    cluster, user, impersonated_user, dry_run, succeeded, refused, events, verb, api_group, resource,
    subresource, stage, outcome, user_groups, decision, decision_reason, message,
    -- What an event adds to the long calls that began beyond those that ended. An answer to who is
    -- not authenticated is a start without an end.
    case
      when verb <> 'watch'
        and ifnull(subresource, '') not in ('exec', 'attach', 'portforward', 'proxy', 'log') then 0
      when stage = 'ResponseStarted' and outcome <> 'denied_authn' then 1
      else -1
    end as more
  from event_counts
  where summed = 1
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and user match :user
    and namespace match :namespace
    and time >= :since and time < :until
), counted as (
  select
    1 as rank, 'system:masters' as privilege, cluster, user, impersonated_user, dry_run, more,
    succeeded, refused, events
  from calls
  where (:privilege is null or 'system:masters' glob :privilege)
    and user_groups match 'system:masters'
  union all
  select
    2, 'cluster-admin', cluster, user, impersonated_user, dry_run, more, succeeded, refused, events
  from calls
  where (:privilege is null or 'cluster-admin' glob :privilege)
    and decision_reason glob 'RBAC: allowed by *Binding "*" of ClusterRole "' || :role || '" to *'
  union all
  -- Short ones apart, so that rows are not told apart by what only long ones need.
  select
    3, 'impersonation', cluster, user, impersonated_user, dry_run, 0, succeeded, refused, events
  from calls
  where (:privilege is null or 'impersonation' glob :privilege)
    and impersonated_user is not null
    and verb match '!watch'
    and subresource match '!exec,!attach,!portforward,!proxy,!log'
  union all
  select
    3, 'impersonation', cluster, user, impersonated_user, dry_run, more, succeeded, refused, events
  from calls
  where (:privilege is null or 'impersonation' glob :privilege)
    and impersonated_user is not null
    and verb = 'watch'
  union all
  select
    3, 'impersonation', cluster, user, impersonated_user, dry_run, more, succeeded, refused, events
  from calls
  where (:privilege is null or 'impersonation' glob :privilege)
    and impersonated_user is not null
    and verb match '!watch'
    and subresource match 'exec,attach,portforward,proxy,log'
  union all
  -- Refused: as whom is only in the message.
  select 3, 'impersonation', cluster, user, null, dry_run, more, succeeded, refused, events
  from calls
  where (:privilege is null or 'impersonation' glob :privilege)
    and outcome = 'denied_authz' and decision is null
    and message glob '*" cannot impersonate*'
  union all
  select
    iif(outcome = 'denied_escalation', 5, 4),
    iif(outcome = 'denied_escalation', 'rbac escalation refused', 'rbac change'),
    cluster, user, impersonated_user, dry_run, 0, succeeded, refused, events
  from calls
  where (:privilege is null or 'rbac change' glob :privilege
      or 'rbac escalation refused' glob :privilege)
    and resource match 'roles,clusterroles,rolebindings,clusterrolebindings'
    and api_group = 'rbac.authorization.k8s.io'
    and verb match 'create,update,patch,delete,deletecollection'
    and stage <> 'ResponseStarted'
  union all
  select
    6, 'token request', cluster, user, impersonated_user, dry_run, 0, succeeded, refused, events
  from calls
  where (:privilege is null or 'token request' glob :privilege)
    and resource = 'serviceaccounts' and api_group is null and subresource = 'token'
    and verb = 'create'
    and stage <> 'ResponseStarted'
  union all
  select
    7, 'certificate approval', cluster, user, impersonated_user, dry_run, 0, succeeded, refused,
    events
  from calls
  where (:privilege is null or 'certificate approval' glob :privilege)
    and resource = 'certificatesigningrequests' and api_group = 'certificates.k8s.io'
    and subresource = 'approval'
    and verb match 'update,patch'
    and stage <> 'ResponseStarted'
  union all
  -- Each once, by what came of it.
  select
    case subresource
      when 'attach' then 8 when 'ephemeralcontainers' then 9 when 'exec' then 10
      when 'portforward' then 11 else 12
    end,
    case subresource
      when 'portforward' then 'port-forward'
      when 'ephemeralcontainers' then 'debug container'
      else subresource
    end,
    cluster, user, impersonated_user, dry_run, 0, succeeded, refused, events
  from event_counts
  where (:privilege is null or 'exec' glob :privilege or 'attach' glob :privilege
      or 'port-forward' glob :privilege or 'debug container' glob :privilege
      or 'proxy' glob :privilege)
    and per_request = 1
    and resource match 'pods,services,nodes' and api_group is null
    and subresource match 'exec,attach,portforward,ephemeralcontainers,proxy'
    and stage match 'ResponseStarted,ResponseComplete,Panic'
    and cluster match :cluster
    and user match :user
    and namespace match :namespace
    and time >= :since and time < :until
  union all
  select
    13, 'secret read', cluster, user, impersonated_user, dry_run, 0, succeeded, refused, events
  from calls
  where (:privilege is null or 'secret read' glob :privilege)
    and resource = 'secrets' and api_group is null and subresource is null
    and verb in ('get', 'list')
  union all
  select
    13, 'secret read', cluster, user, impersonated_user, dry_run, more, succeeded, refused, events
  from calls
  where (:privilege is null or 'secret read' glob :privilege)
    and resource = 'secrets' and api_group is null and subresource is null
    and verb = 'watch'
  union all
  select
    14, 'admission change', cluster, user, impersonated_user, dry_run, 0, succeeded, refused, events
  from calls
  where (:privilege is null or 'admission change' glob :privilege)
    and resource in (
      'validatingwebhookconfigurations', 'mutatingwebhookconfigurations',
      'validatingadmissionpolicies', 'validatingadmissionpolicybindings',
      'mutatingadmissionpolicies', 'mutatingadmissionpolicybindings'
    )
    and api_group = 'admissionregistration.k8s.io'
    and subresource match '!status'
    and verb match 'create,update,patch,delete,deletecollection'
    and stage <> 'ResponseStarted'
), summed as (
  select
    rank, privilege, cluster, user, impersonated_user,
    ifnull(sum(succeeded) filter (where more <= 0), 0) as good,
    ifnull(sum(refused) filter (where more <= 0), 0) as refused,
    ifnull(sum(events - succeeded - refused) filter (where more <= 0), 0) as failed,
    ifnull(sum(succeeded) filter (where more <= 0 and dry_run = 1), 0) as dry_runs,
    -- Of a long call either stage may be missing, and one that began well may break off.
    sum(more * succeeded) as more_good,
    sum(more * refused) as more_refused,
    sum(more * (events - succeeded - refused)) as more_failed
  from counted
  -- A rank is one privilege; what tells rows apart soonest comes first.
  group by user, impersonated_user, rank, cluster
)
select
  privilege, user, impersonated_user as as_user,
  good + max(0, more_good - max(0, -more_failed)) as calls,
  refused + max(0, more_refused) as refused,
  failed + max(0, more_failed) as failed, dry_runs, cluster
from summed
where :privilege is null or privilege glob :privilege
order by rank, calls desc, user, as_user
