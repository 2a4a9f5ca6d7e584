/*
title = "Who changed roles and role bindings: grants and revocations"
group = "change"
answers = "One row per request that created, changed or deleted a Role, ClusterRole, RoleBinding or ClusterRoleBinding, newest first, with what it binds or, when deleted, last bound to whom, and which of the role's rules open everything or lead to more rights."
cannot_see = "What a deleted binding had granted when its creation was not recorded. Rules and subjects below level Request. Roles that grow by aggregation show the controller that copied the rules. Calls that the audit policy left out."
level = "Metadata"
tags = ["pci-dss:10.2.1.5", "attack:T1098.006"]

[columns]
time = "when the request ended"
user = "who asked"
as_user = "whom they impersonated"
verb = "what was asked"
resource = "resource"
namespace = "its namespace"
name = "its name"
role_ref = "role that a binding gives or gave, as ClusterRole/view"
subjects = "to whom it gives or gave it: User:alice, Group:ops, ServiceAccount:ns/name; a JSON array"
sensitive = "verbs and resources of a role's rules that open everything or lead to more rights: *, escalate, bind, impersonate, secrets, pods/exec, ...; a JSON array, NULL when there are none or the rules are not recorded"
outcome = "success, denied_authz, conflict, ..."
dry_run = "1 when nothing changed because of dryRun=All"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
with bound as materialized (
  -- What each binding gave before, because a request that deletes it does not say.
  select
    id,
    max(case when outcome = 'success' and dry_run = 0 then time || role_ref end) over earlier as role,
    max(case when outcome = 'success' and dry_run = 0 then time || subjects end) over earlier as whom
  from events
  where resource in ('rolebindings', 'clusterrolebindings')
    and api_group = 'rbac.authorization.k8s.io'
    and verb in ('create', 'update', 'patch', 'delete')
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster
    and namespace match :namespace
    and name match :name
    and time < :until
  window earlier as (
    partition by cluster, resource, namespace, name
    order by time, id rows between unbounded preceding and 1 preceding
  )
)
select
  time, user, impersonated_user as as_user, verb, resource, namespace, name,
  -- A time in front made the newest the greatest.
  coalesce(role_ref, substr(bound.role, length('2026-01-01T00:00:00.000000Z') + 1)) as role_ref,
  coalesce(subjects, substr(bound.whom, length('2026-01-01T00:00:00.000000Z') + 1)) as subjects,
  case when resource in ('roles', 'clusterroles') and verb in ('create', 'update', 'patch') then
    nullif((
      select json_group_array(distinct word.atom)
      -- The answer holds the whole role; a refused request, or level Request, only what was sent.
      from json_tree(
        case when response_object -> '$.rules' is null then request_object else response_object end
      ) as word
      where word.atom in (
          '*', 'escalate', 'bind', 'impersonate', 'secrets', 'pods/exec', 'serviceaccounts/token',
          'certificatesigningrequests/approval', 'nodes/proxy'
        )
        -- rules[0].verbs[1] of a role; value and what is in it in a JSON Patch.
        and (word.fullkey like '$.rules[%].%[%]' or word.fullkey like '$[%].value%')
    ), '[]')
  end as sensitive,
  outcome, dry_run, source_ip, user_agent, cluster, audit_id
from events left join bound using (id)
where resource in ('roles', 'clusterroles', 'rolebindings', 'clusterrolebindings')
  and api_group = 'rbac.authorization.k8s.io'
  and verb in ('create', 'update', 'patch', 'delete', 'deletecollection')
  and stage in ('ResponseComplete', 'Panic')
  and cluster match :cluster
  and resource match :resource
  and namespace match :namespace
  and name match :name
  and verb match :verb
  and user match :user
  and outcome match :outcome
  and time >= :since and time < :until
order by time desc, id desc
