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
    cluster, user, impersonated_user, stage, outcome, dry_run, events,
    verb = 'watch' or ifnull(subresource, '') in ('exec', 'attach', 'portforward', 'proxy', 'log')
      as long,
    verb, api_group, resource, subresource, user_groups, decision, decision_reason, message
  from event_counts
  where summed = 1
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and user match :user
    and namespace match :namespace
    and time >= :since and time < :until
), counted as (
  select
    1 as rank, 'system:masters' as privilege, cluster, user, impersonated_user, stage, outcome,
    dry_run, long, events
  from calls
  where (:privilege is null or 'system:masters' glob :privilege)
    and user_groups match 'system:masters'
  union all
  select
    2, 'cluster-admin', cluster, user, impersonated_user, stage, outcome, dry_run, long, events
  from calls
  where (:privilege is null or 'cluster-admin' glob :privilege)
    and decision_reason glob 'RBAC: allowed by *Binding "*" of ClusterRole "' || :role || '" to *'
  union all
  -- Long ones apart, so that rows are not told apart by verb and subresource.
  select
    3, 'impersonation', cluster, user, impersonated_user, stage, outcome, dry_run, 1, events
  from calls
  where (:privilege is null or 'impersonation' glob :privilege)
    and impersonated_user is not null
    and verb = 'watch'
  union all
  select
    3, 'impersonation', cluster, user, impersonated_user, stage, outcome, dry_run, 1, events
  from calls
  where (:privilege is null or 'impersonation' glob :privilege)
    and impersonated_user is not null
    and verb match '!watch'
    and subresource match 'exec,attach,portforward,proxy,log'
  union all
  select
    3, 'impersonation', cluster, user, impersonated_user, stage, outcome, dry_run, 0, events
  from calls
  where (:privilege is null or 'impersonation' glob :privilege)
    and impersonated_user is not null
    and verb match '!watch'
    and subresource match '!exec,!attach,!portforward,!proxy,!log'
  union all
  -- Refused: as whom is only in the message.
  select 3, 'impersonation', cluster, user, null, stage, outcome, dry_run, long, events
  from calls
  where (:privilege is null or 'impersonation' glob :privilege)
    and outcome = 'denied_authz' and decision is null
    and message glob '*" cannot impersonate*'
  union all
  select
    iif(outcome = 'denied_escalation', 5, 4),
    iif(outcome = 'denied_escalation', 'rbac escalation refused', 'rbac change'),
    cluster, user, impersonated_user, stage, outcome, dry_run, 0, events
  from calls
  where (:privilege is null or 'rbac change' glob :privilege
      or 'rbac escalation refused' glob :privilege)
    and resource match 'roles,clusterroles,rolebindings,clusterrolebindings'
    and api_group = 'rbac.authorization.k8s.io'
    and verb match 'create,update,patch,delete,deletecollection'
    and stage <> 'ResponseStarted'
  union all
  select
    6, 'token request', cluster, user, impersonated_user, stage, outcome, dry_run, 0, events
  from calls
  where (:privilege is null or 'token request' glob :privilege)
    and resource = 'serviceaccounts' and api_group is null and subresource = 'token'
    and verb = 'create'
    and stage <> 'ResponseStarted'
  union all
  select
    7, 'certificate approval', cluster, user, impersonated_user, stage, outcome, dry_run, 0, events
  from calls
  where (:privilege is null or 'certificate approval' glob :privilege)
    and resource = 'certificatesigningrequests' and api_group = 'certificates.k8s.io'
    and subresource = 'approval'
    and verb match 'update,patch'
    and stage <> 'ResponseStarted'
  union all
  -- Each once, by what came of it.
  select
    8,
    case subresource
      when 'portforward' then 'port-forward'
      when 'ephemeralcontainers' then 'debug container'
      else subresource
    end,
    cluster, user, impersonated_user, 'ResponseComplete', outcome, dry_run, 0, events
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
    9, 'secret read', cluster, user, impersonated_user, stage, outcome, dry_run, 0, events
  from calls
  where (:privilege is null or 'secret read' glob :privilege)
    and resource = 'secrets' and api_group is null and subresource is null
    and verb in ('get', 'list')
  union all
  select
    9, 'secret read', cluster, user, impersonated_user, stage, outcome, dry_run, 1, events
  from calls
  where (:privilege is null or 'secret read' glob :privilege)
    and resource = 'secrets' and api_group is null and subresource is null
    and verb = 'watch'
  union all
  select
    10, 'admission change', cluster, user, impersonated_user, stage, outcome, dry_run, 0, events
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
    sum(events) filter (where counts and fate = 'good') as good,
    sum(events) filter (where counts and fate = 'refused') as refused,
    sum(events) filter (where counts and fate = 'failed') as failed,
    sum(events) filter (where counts and fate = 'good' and dry_run = 1) as dry_runs,
    -- Of a long call either stage may be missing, and one that began well may break off.
    ifnull(sum(events) filter (where began and fate = 'good'), 0)
      - ifnull(sum(events) filter (where long and counts and fate = 'good'), 0) as more_good,
    ifnull(sum(events) filter (where began and fate = 'refused'), 0)
      - ifnull(sum(events) filter (where long and counts and fate = 'refused'), 0) as more_refused,
    ifnull(sum(events) filter (where began and fate = 'failed'), 0)
      - ifnull(sum(events) filter (where long and counts and fate = 'failed'), 0) as more_failed
  from (
    select
      *,
      case
        when outcome in ('success', 'upgraded') then 'good'
        when outcome glob 'denied*' then 'refused'
        else 'failed'
      end as fate,
      -- An answer to who is not authenticated is a start without an end.
      stage <> 'ResponseStarted' or outcome = 'denied_authn' or not long as counts,
      stage = 'ResponseStarted' and outcome <> 'denied_authn' and long as began
    from counted
  )
  group by rank, privilege, cluster, user, impersonated_user
)
select
  privilege, user, impersonated_user as as_user,
  ifnull(good, 0) + max(0, more_good - max(0, -more_failed)) as calls,
  ifnull(refused, 0) + max(0, more_refused) as refused,
  ifnull(failed, 0) + max(0, more_failed) as failed, ifnull(dry_runs, 0) as dry_runs,
  cluster
from summed
where :privilege is null or privilege glob :privilege
order by rank, privilege, calls desc, user, as_user
