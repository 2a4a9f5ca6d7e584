/*
title = "What was granted by role bindings, and whether it was used"
group = "access"
answers = "One row per binding and subject that a request granted, oldest first, with how often the apiserver let a call through because of it, from the hour of the grant on; with --unused only those never used."
cannot_see = "Grants below level Request, and those made before the recording. Use by a subject whom another binding allowed first: the authorizer names one, and none for system:masters. Roles that lie within a grant but were not needed. Use is counted to the hour."
level = "Request"
tags = ["pci-dss:10.2.1.5", "attack:T1098.006"]

[params]
unused = { type = "flag", default = false, help = "Only grants that no recorded call made use of" }
role = { type = "words", help = "Roles, as KIND/NAME: ClusterRole/cluster-admin" }

[params.user]
help = "Who granted it, as authenticated or as impersonated"

[columns]
time = "when it was granted; the first time, when it was repeated"
user = "who granted it"
as_user = "whom they impersonated"
subject = "who got it: User:alice, Group:ops, ServiceAccount:ns/name"
role = "role, as ClusterRole/cluster-admin"
resource = "rolebindings or clusterrolebindings"
namespace = "namespace that a RoleBinding is limited to"
name = "name of the binding"
calls = "calls that were allowed because of it"
used_by = { json = "users who made them, a JSON array" }
first_hour = "hour of the first"
last_hour = "hour of the last"
removed_time = "when the binding was last deleted since"
removed_by = "who deleted it"
cluster = "where"
audit_id = "of the request that granted it, for auditql show"
*/
with grants as not materialized (
  select *
  from events
  where resource in ('rolebindings', 'clusterrolebindings')
    and api_group = 'rbac.authorization.k8s.io'
    and verb in ('create', 'update', 'patch')
    and outcome = 'success' and dry_run = 0
    and subjects is not null and role_ref is not null
    and stage in ('ResponseComplete', 'Panic')
    and role_ref match :role
    and source_ips match :source_ip
    and resource match :resource
    and namespace match :namespace
    and name match :name
    and audit_id match :audit_id
    and cluster match :cluster
    and time >= :since and time < :until
), granting as (
  select time, user, impersonated_user, subjects, role_ref, resource, namespace, name, cluster, audit_id
  from grants
  where user match :user
  union all
  -- A grant that both select is one: its rows are grouped below.
  select time, user, impersonated_user, subjects, role_ref, resource, namespace, name, cluster, audit_id
  from grants
  where :user is not null and impersonated_user match :user
), granted as materialized (
  select
    min(time) as time, user, impersonated_user, one.value as subject, role_ref, resource, namespace,
    name, cluster, audit_id,
    -- The authorizer's own words, quoted as Go's %q does; the cast lets a join look it up.
    cast(
      'RBAC: allowed by ' || iif(resource = 'rolebindings', 'RoleBinding "', 'ClusterRoleBinding "')
      || replace(replace(name, '\', '\\'), '"', '\"')
      || iif(resource = 'rolebindings', '/' || namespace, '') || '" of '
      || replace(role_ref, '/', ' "') || '" to '
      || case
        when one.value glob 'ServiceAccount:*/*' then
          'ServiceAccount "' || substr(one.value, instr(one.value, '/') + 1) || '/'
          || substr(one.value, 16, instr(one.value, '/') - 16)
        else
          substr(one.value, 1, instr(one.value, ':') - 1) || ' "'
          || replace(replace(substr(one.value, instr(one.value, ':') + 1), '\', '\\'), '"', '\"')
      end || '"' as text
    ) as words
  from granting join json_each(subjects) as one
  group by cluster, resource, namespace, name, role_ref, one.value
), used as materialized (
  select cluster, decision_reason, user, hour, sum(events) as calls
  from event_counts
  where decision_reason in (select words from granted)
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster
    and time >= :since and time < :until
  group by cluster, decision_reason, user, hour
), uses as materialized (
  select
    granted.words, granted.cluster, sum(calls) as calls,
    json_group_array(distinct used.user) as used_by, min(hour) as first, max(hour) as last
  from granted join used
    on used.decision_reason = granted.words and used.cluster = granted.cluster
  where unixepoch(hour) > unixepoch(granted.time) - 3600
  group by granted.words, granted.cluster
), removed as materialized (
  select
    gone.cluster, gone.resource, gone.namespace, gone.name, max(gone.time) as time, gone.user
  from events as gone cross join granted
    on granted.cluster = gone.cluster and granted.resource = gone.resource
      and granted.namespace is gone.namespace and granted.name = gone.name
      and gone.time >= granted.time
  where gone.resource in ('rolebindings', 'clusterrolebindings')
    and gone.api_group = 'rbac.authorization.k8s.io'
    and gone.verb = 'delete'
    and gone.outcome = 'success' and gone.dry_run = 0
    and gone.stage in ('ResponseComplete', 'Panic')
    and gone.cluster match :cluster
    and gone.time >= :since and gone.time < :until
  group by gone.cluster, gone.resource, gone.namespace, gone.name
)
select
  granted.time, granted.user, granted.impersonated_user as as_user, granted.subject,
  granted.role_ref as role, granted.resource, granted.namespace, granted.name,
  ifnull(uses.calls, 0) as calls, uses.used_by, uses.first as first_hour, uses.last as last_hour,
  removed.time as removed_time, removed.user as removed_by, granted.cluster, granted.audit_id
from granted
left join uses on uses.words = granted.words and uses.cluster = granted.cluster
left join removed
  on removed.cluster = granted.cluster and removed.resource = granted.resource
    and removed.namespace is granted.namespace and removed.name = granted.name
where not (:unused and ifnull(uses.calls, 0) > 0)
order by granted.time, granted.name, granted.subject
