/*
title = "Who used privileges: cluster-admin, impersonation, sessions in pods, secrets, tokens, RBAC, admission"
group = "access"
answers = "One row per identity and privilege that it used or tried to use, the weightiest privilege first: how many calls went through, how many were refused or failed, each counted once, by the last of its events."
cannot_see = "What was done inside a session or with a secret (who-execd and secret-reads list the calls). Roles that give as much under another name than cluster-admin, unless given with --role. Calls that the audit policy left out."
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
dry_run = "1 for calls that changed nothing because of dryRun=All; they stand apart"
cluster = "where"
*/
with used as not materialized (
  select
    cluster, user, impersonated_user, dry_run, succeeded as calls, refused,
    events - succeeded - refused as failed, verb, api_group, resource, subresource, outcome,
    user_groups, decision, decision_reason, message
  from event_counts
  where per_request = 1 and summed = 1
    and stage match 'ResponseStarted,ResponseComplete,Panic'
    and cluster match :cluster
    and user match :user
    and namespace match :namespace
    and time >= :since and time < :until
)
-- Privilege after privilege, so that only those are counted of which rows are read. The store decides
-- all conditions alone, so that a row is one identity.
select * from (
  select
    'system:masters' as privilege, user,
    impersonated_user as as_user, calls, refused, failed, dry_run, cluster
  from used
  where (:privilege is null or 'system:masters' glob :privilege)
    and user_groups match 'system:masters'
  order by calls desc, user, as_user, dry_run
)
union all
select * from (
  select
    'cluster-admin' as privilege, user,
    impersonated_user as as_user, calls, refused, failed, dry_run, cluster
  from used
  where (:privilege is null or 'cluster-admin' glob :privilege)
    and decision_reason match
      'RBAC: allowed by *Binding "*" of ClusterRole "' || replace(:role, ',', '\,') || '" to *'
  order by calls desc, user, as_user, dry_run
)
union all
select * from (
  select
    'impersonation' as privilege, user,
    impersonated_user as as_user, calls, refused, failed, dry_run, cluster
  from used
  where (:privilege is null or 'impersonation' glob :privilege)
    and impersonated_user is not null
  order by calls desc, user, as_user, dry_run
)
union all
-- Refused: as whom is only in the message.
select * from (
  select
    'impersonation' as privilege, user, null as as_user, calls, refused, failed, dry_run, cluster
  from used
  where (:privilege is null or 'impersonation' glob :privilege)
    and outcome = 'denied_authz' and decision is null
    and message match '*" cannot impersonate*'
  order by calls desc, user, as_user, dry_run
)
union all
select * from (
  select
    'rbac change' as privilege, user,
    impersonated_user as as_user, calls, refused, failed, dry_run, cluster
  from used
  where (:privilege is null or 'rbac change' glob :privilege)
    and resource match 'roles,clusterroles,rolebindings,clusterrolebindings'
    and api_group = 'rbac.authorization.k8s.io'
    and verb match 'create,update,patch,delete,deletecollection'
    and outcome match '!denied_escalation'
  order by calls desc, user, as_user, dry_run
)
union all
select * from (
  select
    'rbac escalation refused' as privilege, user,
    impersonated_user as as_user, calls, refused, failed, dry_run, cluster
  from used
  where (:privilege is null or 'rbac escalation refused' glob :privilege)
    and resource match 'roles,clusterroles,rolebindings,clusterrolebindings'
    and api_group = 'rbac.authorization.k8s.io'
    and verb match 'create,update,patch,delete,deletecollection'
    and outcome = 'denied_escalation'
  order by calls desc, user, as_user, dry_run
)
union all
select * from (
  select
    'token request' as privilege, user,
    impersonated_user as as_user, calls, refused, failed, dry_run, cluster
  from used
  where (:privilege is null or 'token request' glob :privilege)
    and resource = 'serviceaccounts' and api_group is null and subresource = 'token'
    and verb = 'create'
  order by calls desc, user, as_user, dry_run
)
union all
select * from (
  select
    'certificate approval' as privilege, user,
    impersonated_user as as_user, calls, refused, failed, dry_run, cluster
  from used
  where (:privilege is null or 'certificate approval' glob :privilege)
    and resource = 'certificatesigningrequests' and api_group = 'certificates.k8s.io'
    and subresource = 'approval'
    and verb match 'update,patch'
  order by calls desc, user, as_user, dry_run
)
union all
select * from (
  select
    case subresource
      when 'portforward' then 'port-forward'
      when 'ephemeralcontainers' then 'debug container'
      else subresource
    end as privilege, user, impersonated_user as as_user, calls, refused, failed, dry_run, cluster
  from used
  where (:privilege is null or 'exec' glob :privilege or 'attach' glob :privilege
      or 'port-forward' glob :privilege or 'debug container' glob :privilege
      or 'proxy' glob :privilege)
    and resource match 'pods,services,nodes' and api_group is null
    and subresource match 'exec,attach,portforward,ephemeralcontainers,proxy'
  order by privilege, calls desc, user, as_user, dry_run
)
where :privilege is null or privilege glob :privilege
union all
select * from (
  select
    'secret read' as privilege, user,
    impersonated_user as as_user, calls, refused, failed, dry_run, cluster
  from used
  where (:privilege is null or 'secret read' glob :privilege)
    and resource = 'secrets' and api_group is null and subresource is null
    and verb match 'get,list,watch'
  order by calls desc, user, as_user, dry_run
)
union all
select * from (
  select
    'admission change' as privilege, user,
    impersonated_user as as_user, calls, refused, failed, dry_run, cluster
  from used
  where (:privilege is null or 'admission change' glob :privilege)
    and resource match 'validatingwebhookconfigurations,mutatingwebhookconfigurations,'
      || 'validatingadmissionpolicies,validatingadmissionpolicybindings,'
      || 'mutatingadmissionpolicies,mutatingadmissionpolicybindings'
    and api_group = 'admissionregistration.k8s.io'
    and subresource match '!status'
    and verb match 'create,update,patch,delete,deletecollection'
  order by calls desc, user, as_user, dry_run
)
