/*
title = "Which identities there are, and when each was last used"
group = "access"
answers = "One row per user that the store knows of until the end of the time range, and per service account that was created in it and never used, longest unused first: calls in the time range, the hours of first and last use ever recorded, and whether it has been idle for longer than --idle."
cannot_see = "Identities that were never used and not created while recording. Use before the oldest event of the store, or that the audit policy left out: an idle identity may be in use at a level of None. Which person used a shared one. Watches and sessions that have not ended are no calls here."
level = "Metadata"
tags = ["pci-dss:10.2.1.2"]

[params]
idle = { type = "duration", default = "90d", help = "Without use for this long is idle: 30d, 12w" }
kind = { type = "text", help = "Only user, service account, node, control plane or anonymous" }
only_idle = { type = "flag", default = false, help = "Only idle ones" }

[columns]
user = "the identity"
kind = "user, service account, node, control plane or anonymous"
idle = "1 when it was not used for longer than --idle before the end of the time range, or now"
idle_days = "days since the last use; NULL when never used"
calls = "calls in the time range"
refused = "of these, refused"
first_hour = "hour of the first use on record; NULL when never used"
last_hour = "hour of the last use"
created_time = "when the service account was created, in the time range"
cluster = "where"
*/
with seen as materialized (
  select
    cluster, user, substr(first_time, 1, 13) || ':00:00.000000Z' as first_hour,
    substr(last_time, 1, 13) || ':00:00.000000Z' as last_hour
  from event_counts
  where user is not null
    and cluster match :cluster
    and user match :user
    and time < :until
), counted as materialized (
  select cluster, user, events as calls
  from event_counts
  where user is not null
    and stage match 'ResponseComplete,Panic'
    and cluster match :cluster
    and user match :user
    and time >= :since and time < :until
), refusals as materialized (
  select cluster, user, events as refused
  from event_counts
  where user is not null
    and stage match 'ResponseComplete,Panic'
    and outcome match 'denied*'
    and cluster match :cluster
    and user match :user
    and time >= :since and time < :until
), made as (
  select
    cluster, cast('system:serviceaccount:' || namespace || ':' || name as text) as user,
    min(time) as time
  from events
  where resource = 'serviceaccounts' and subresource is null and api_group is null
    and verb = 'create' and outcome = 'success' and dry_run = 0
    and stage = 'ResponseComplete'
    and cluster match :cluster
    and time >= :since and time < :until
  group by cluster, namespace, name
), every as (
  select
    seen.cluster, seen.user, first_hour, last_hour, ifnull(calls, 0) as calls,
    ifnull(refused, 0) as refused, made.time as created
  from seen
  left join counted on counted.user = seen.user and counted.cluster = seen.cluster
  left join refusals on refusals.user = seen.user and refusals.cluster = seen.cluster
  left join made on made.user = seen.user and made.cluster = seen.cluster
  union all
  select made.cluster, made.user, null, null, 0, 0, made.time
  from made left join seen on seen.user = made.user and seen.cluster = made.cluster
  where seen.user is null and :user is null
), judged as (
  select
    *,
    case
      when user = 'system:anonymous' then 'anonymous'
      when user glob 'system:serviceaccount:*' then 'service account'
      when user glob 'system:node:*' then 'node'
      when user glob 'system:*' then 'control plane'
      else 'user'
    end as of_kind,
    -- Until the end of the last hour of use, or since the account exists.
    min(unixepoch(:until), unixepoch('now'))
      - ifnull(unixepoch(last_hour) + 3600, unixepoch(created)) as unused
  from every
)
select
  user, of_kind as kind, unused > :idle / 1000000 as idle,
  iif(last_hour is null, null, max(unused, 0) / 86400) as idle_days, calls, refused, first_hour,
  last_hour, created as created_time, cluster
from judged
where (:kind is null or of_kind = :kind)
  and (not :only_idle or unused > :idle / 1000000)
order by last_hour is not null, last_hour, user
