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
    cluster, effective_user as user, decision_reason as reason, sum(events) as calls,
    iif(count(impersonated_user) > 0,
      json_group_array(distinct user order by user) filter (where impersonated_user is not null),
      null) as askers
  from event_counts
  where decision = 'allow'
    and stage match 'ResponseComplete,Panic'
    -- Narrows the counts only: names are told from quoted words below.
    and decision_reason match '*of ' || replace(replace(:role, ',', '\,'), '/', ' "') || '" to *'
    and cluster match :cluster
    and effective_user match :user
    and time >= :since and time < :until
  group by cluster, effective_user, decision_reason
), reasons as (
  select distinct decision_reason as reason
  from event_counts
  where decision = 'allow'
    and stage match 'ResponseComplete,Panic'
    and decision_reason match '*of ' || replace(replace(:role, ',', '\,'), '/', ' "') || '" to *'
    and cluster match :cluster
    and effective_user match :user
    and time >= :since and time < :until
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
), quoted as materialized (
  -- Names are quoted as Go's %q does: quotes in them must not end them.
  select
    reason,
    iif(reason glob 'RBAC: allowed by *Binding "*" of *Role "*" to * "*"',
      replace(replace(substr(reason, 18), '\\', char(2)), '\"', char(1)), null) as words
  from reasons
), cut as materialized (
  select
    reason, words, substr(words, 1, instr(words, '" of ') - 1) as bound,
    substr(words, instr(words, '" of ') + 5) as rest
  from quoted
), told as materialized (
  select
    reason, words, bound, replace(substr(rest, 1, instr(rest, '" to ') - 1), ' "', '/') as role,
    replace(rtrim(substr(rest, instr(rest, '" to ') + 5), '"'), ' "', ':') as whom
  from cut
), named as materialized (
  select
    reason, words is null as unnamed,
    replace(replace(
      case
        -- The authorizer writes NAME/NAMESPACE, and no name holds a slash.
        when bound glob 'RoleBinding "*/*' then
          'RoleBinding/' || substr(bound, instr(bound, '/') + 1) || '/'
          || substr(bound, 14, instr(bound, '/') - 14)
        else replace(bound, ' "', '/')
      end, char(1), '"'), char(2), '\') as binding,
    replace(replace(role, char(1), '"'), char(2), '\') as role,
    replace(replace(
      iif(whom glob 'ServiceAccount:*/*',
        'ServiceAccount:' || substr(whom, instr(whom, '/') + 1) || '/'
          || substr(whom, 16, instr(whom, '/') - 16),
        whom),
      char(1), '"'), char(2), '\') as subject
  from told
)
select
  used.user, binding, role, subject, iif(unnamed, nullif(used.reason, ''), null) as reason, calls,
  first_hour, last_hour, askers as impersonated_by, used.cluster
from used
  cross join named on named.reason is used.reason
  left join spread
    on spread.cluster = used.cluster and spread.user = used.user and spread.reason is used.reason
where :role is null or role glob :role
order by calls desc, used.user, binding
