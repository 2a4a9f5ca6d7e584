/*
title = "Bursts of refused requests (401 and 403) by one identity from one address"
group = "access"
answers = "One row per burst: at_least refused requests of an identity from an address within a window, the latest first. That is how scanning, guessing and a stolen credential that tries its limits look."
cannot_see = "Refusals spread thinner than the window, or over many addresses. Refusals by admission (see admission-denied). Identities of 401s are not recorded: those of an address count together."
level = "Metadata"
tags = ["pci-dss:10.2.1.4", "attack:T1613", "attack:T1110"]
since = "1d"

[params]
at_least = { type = "int", default = 10, help = "Least refused requests of a burst" }
window = { type = "duration", default = "1m", help = "Within how long they must come" }

[columns]
user = "who was refused; NULL for 401s"
source_ip = "address that no client can forge"
client_ips = { json = "first recorded addresses, as claimed, a JSON array" }
denials = "refused requests of the burst"
peak = "most of them within the window"
first_time = "the first"
last_time = "the last"
outcomes = { json = "what became of them, a JSON array" }
as_users = { json = "whom they impersonated, a JSON array" }
resources = { json = "resources, or paths of what is no resource, a JSON array" }
namespaces = { json = "namespaces, a JSON array" }
user_agents = { json = "programs, as claimed, a JSON array" }
cluster = "where"
*/
with
refused as not materialized (
  select * from events
  where outcome in ('denied_authn', 'denied_authz', 'denied_escalation', 'denied_other')
    and stage <> 'RequestReceived'
    and cluster match :cluster
    and user match :user
    and resource match :resource
    and namespace match :namespace
    and source_ips match :source_ip
    and user_agent match :user_agent
    and time >= :since and time < :until
),
-- Who was refused often enough within the hours that a window may touch, and then often enough at
-- once: most were not, and need not be looked at more closely.
often as materialized (
  select distinct cluster, user, source_ip
  from (
    select cluster, user, source_ip, hour, events from event_counts
    where outcome match 'denied_authn,denied_authz,denied_escalation,denied_other'
      and stage <> 'RequestReceived'
      and events >= 1.0 * :at_least / ((:window + 20000) / 3600000000 + 2)
      and cluster match :cluster
      and user match :user
      and resource match :resource
      and namespace match :namespace
      and source_ips match :source_ip
      and user_agent match :user_agent
      and time >= :since and time < :until
  )
),
at_once as materialized (
  select distinct cluster, user, source_ip
  from (
    select
      cluster, user, source_ip, at,
      lag(at, max(:at_least - 1, 0)) over (
        partition by cluster, user, source_ip order by at
      ) as earlier
    from (
      select cluster, user, source_ip, unixepoch(time, 'subsec') as at
      from refused
      where user in (select user from often)
        and (cluster, ifnull(user, ''), ifnull(source_ip, '')) in (
          select cluster, user, ifnull(source_ip, '') from often)
      union all
      select cluster, user, source_ip, unixepoch(time, 'subsec') as at
      from refused
      where user is null
        and (cluster, ifnull(source_ip, '')) in (
          select cluster, ifnull(source_ip, '') from often where user is null)
    )
  )
  where at - earlier <= :window / 1e6 + 0.01
),
denied as (
  select
    e.cluster, e.user, e.source_ip, client_ip, impersonated_user, outcome, user_agent, namespace,
    coalesce(resource, path) as target, min(time) as time,
    cast(round(unixepoch(min(time), 'subsec') * 1000) as integer) * 1000 as at
  from at_once as who cross join refused as e
  where e.cluster = who.cluster and e.user is who.user and e.source_ip is who.source_ip
  group by e.cluster, audit_id, e.user, request_uri, received_time,
    case when received_time is null then id end
),
counted as (
  select *, count(*) over (
    partition by cluster, user, source_ip order by at
    range between :window preceding and current row
  ) as within
  from denied
),
covered as (
  select *, max(within) over (
    partition by cluster, user, source_ip order by at
    range between current row and :window following
  ) as best
  from counted
),
stepped as (
  select *, at - lag(at, 1, at) over (
    partition by cluster, user, source_ip order by at
  ) > :window as apart
  from covered
  where best >= :at_least
),
bursts as (
  select *, sum(apart) over (
    partition by cluster, user, source_ip order by at
    rows unbounded preceding
  ) as burst
  from stepped
)
select
  user, source_ip, json_group_array(distinct client_ip) as client_ips,
  count(*) as denials, max(within) as peak, min(time) as first_time, max(time) as last_time,
  json_group_array(distinct outcome) as outcomes,
  json_group_array(distinct impersonated_user) filter (where impersonated_user is not null)
    as as_users,
  json_group_array(distinct target) as resources,
  json_group_array(distinct namespace) filter (where namespace is not null) as namespaces,
  json_group_array(distinct user_agent) filter (where user_agent is not null) as user_agents,
  cluster
from bursts
group by cluster, user, source_ip, burst
order by last_time desc, denials desc
