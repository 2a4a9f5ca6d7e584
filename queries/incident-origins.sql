/*
title = "From where and with what an incident's requests came"
group = "incident"
answers = "One row per identity, address and program that made requests by an identity, in its name, from an address or on an object, the most requests last, so that an address that does not belong stands first."
cannot_see = "Who sat behind a shared address or account. Collections that may have held the object that was asked for: incident-timeline. Calls of which only the arrival was recorded, or that the audit policy left out."
level = "Metadata"
tags = ["attack:T1078"]
one_of = ["user", "source_ip", "resource", "namespace", "name", "audit_id"]
tables = ["incident-short", "incident-held", "incident-profiled"]

[params.user]
help = "User, as authenticated or as impersonated"

[columns]
user = "who asked; NULL when nobody was authenticated"
as_user = "whom they impersonated"
client_ip = "first recorded address, as claimed"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
requests = "how many, whatever came of them"
refused = "how many of them were refused"
first_time = "when the first was answered"
last_time = "when the last was answered or ended"
cluster = "where"
*/
with answered as not materialized (
  select
    user, impersonated_user, client_ip, source_ip, user_agent, cluster, outcome, first_time,
    last_time, events
  from incident_short
  union all
  select
    user, impersonated_user, client_ip, source_ip, user_agent, cluster, outcome, first_time,
    last_time, events
  from incident_held
  union all
  select
    user, impersonated_user, client_ip, source_ip, user_agent, cluster, outcome, first_time,
    last_time, events
  from incident_profiled
), came as (
  select *
  from answered
  where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
    and user match :user
  union all
  select *
  from answered
  where :user not glob '!*' and impersonated_user match :user
  union all
  -- What somebody did in their own name was counted twice.
  select
    user, impersonated_user, client_ip, source_ip, user_agent, cluster, outcome, first_time,
    last_time, -events
  from answered
  where :user not glob '!*' and impersonated_user match :user
    and user match :user
)
select
  user, impersonated_user as as_user, client_ip, source_ip, user_agent,
  sum(events) as requests,
  sum(iif(outcome glob 'denied*', events, 0)) as refused,
  min(first_time) as first_time, max(last_time) as last_time, cluster
from came
group by cluster, user, impersonated_user, client_ip, source_ip, user_agent
order by requests, first_time, user, client_ip, user_agent
