/*
title = "Which roles each identity made use of"
group = "access"
answers = "One row per user and role binding because of which the apiserver let its calls through, most calls first: how many, and with --times from when to when. Calls that no binding explains (system:masters, and other authorizers than RBAC) have the authorizer's words or nothing in reason."
cannot_see = "Roles that a user holds and never needed: the authorizer names the first binding that allows a call. Bindings that were not used: see rbac-uses. Watches and sessions that have not ended. Calls that the audit policy left out."
level = "Metadata"
tags = ["pci-dss:10.2.1.2"]

[params]
times = { type = "flag", default = false, help = "Also the hours of the first and last call, which takes longer" }
role = { type = "text", help = "Only this role, as KIND/NAME; * stands for anything: ClusterRole/cluster-admin" }

[columns]
user = "who asked, or was impersonated"
binding = "ClusterRoleBinding/NAME or RoleBinding/NAMESPACE/NAME; NULL when no binding explains it"
role = "ClusterRole/NAME or Role/NAME"
subject = "because of whom the binding applies: User:alice, Group:ops, ServiceAccount:ns/name"
reason = "the authorizer's words, when it names no binding"
calls = "how many"
first_hour = "hour of the first in the time range, with --times"
last_hour = "hour of the last, with --times"
impersonated_by = { json = "who asked for some of them as this user, a JSON array" }
cluster = "where"
*/
with used as (
  select
    cluster, effective_user as user, decision_reason as reason, events as calls,
    rbac_binding(decision_reason) as binding
  from event_counts
  where decision = 'allow'
    and stage match 'ResponseComplete,Panic'
    -- Narrows the counts only: names are told from quoted words below.
    and decision_reason match '*of ' || replace(replace(:role, ',', '\,'), '/', ' "') || '" to *'
    and cluster match :cluster
    and effective_user match :user
    and time >= :since and time < :until
), askers as materialized (
  select
    cluster, impersonated_user, decision_reason,
    json_group_array(distinct user order by user) as users
  from event_counts
  where decision = 'allow'
    and impersonated_user is not null
    and stage match 'ResponseComplete,Panic'
    and cluster match :cluster
    and impersonated_user match :user
    and time >= :since and time < :until
  group by cluster, impersonated_user, decision_reason
), spread as materialized (
  select
    cluster, effective_user as user, decision_reason as reason,
    substr(min(first_time), 1, 13) || ':00:00.000000Z' as first_hour,
    substr(max(last_time), 1, 13) || ':00:00.000000Z' as last_hour
  from event_counts
  where :times
    and decision = 'allow'
    -- Not in the words of the counts above: equal plans would read the times there, too.
    and stage in ('ResponseComplete', 'Panic')
    and decision_reason match '*of ' || replace(replace(:role, ',', '\,'), '/', ' "') || '" to *'
    and cluster match :cluster
    and effective_user match :user
    and time >= :since and time < :until
  group by cluster, effective_user, decision_reason
)
select
  used.user, binding, rbac_role(used.reason) as role, rbac_subject(used.reason) as subject,
  iif(binding is null, nullif(used.reason, ''), null) as reason, calls, first_hour, last_hour,
  iif(
    used.user in (
      select impersonated_user from event_counts
      where impersonated_user is not null
        and cluster match :cluster
        and time >= :since and time < :until),
    (
      select users from askers
      where askers.cluster = used.cluster and askers.impersonated_user = used.user
        and askers.decision_reason is used.reason
    ), null) as impersonated_by,
  used.cluster
from used
  left join spread
    on spread.cluster = used.cluster and spread.user = used.user and spread.reason is used.reason
where :role is null or rbac_role(used.reason) glob :role
order by calls desc, used.user, used.reason
