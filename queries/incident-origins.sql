/*
title = "From where and with what an incident's requests came"
group = "incident"
answers = "One row per identity, address and program that made requests by an identity, in its name, from an address or on an object, the most requests last, so that an address that does not belong stands first. Without any of the filters but the time there are no rows."
cannot_see = "Who sat behind a shared address or account. Collections that may have held the object that was asked for: incident-timeline. Calls of which only the arrival was recorded, or that the audit policy left out."
level = "Metadata"
tags = ["attack:T1078"]

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
with came as (
  select
    user, impersonated_user, client_ip, source_ip, user_agent, cluster, time, outcome,
    -- The stages of a long call share all of these; a client may choose the first, but not the
    -- second. Of any other call one stage is left.
    iif(verb = 'watch'
      or subresource in ('exec', 'attach', 'portforward', 'proxy', 'log'),
      audit_id || ifnull(received_time, id) || ifnull(resource, path)
        || ifnull(namespace, '') || '/' || ifnull(name, ''), id) as call
  from events
  where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
    and user match :user
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and source_ips match :source_ip
    and resource match :resource
    and namespace match :namespace
    and name match :name
    and audit_id match :audit_id
    and cluster match :cluster
    and time >= :since and time < :until
  union all
  select
    user, impersonated_user, client_ip, source_ip, user_agent, cluster, time, outcome,
    -- The stages of a long call share all of these; a client may choose the first, but not the
    -- second. Of any other call one stage is left.
    iif(verb = 'watch'
      or subresource in ('exec', 'attach', 'portforward', 'proxy', 'log'),
      audit_id || ifnull(received_time, id) || ifnull(resource, path)
        || ifnull(namespace, '') || '/' || ifnull(name, ''), id) as call
  from events
  where :user is not null
    and impersonated_user match :user
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and source_ips match :source_ip
    and resource match :resource
    and namespace match :namespace
    and name match :name
    and audit_id match :audit_id
    and cluster match :cluster
    and time >= :since and time < :until
)
select
  user, impersonated_user as as_user, client_ip, source_ip, user_agent,
  count(distinct call) as requests,
  count(distinct call) filter (where outcome glob 'denied*') as refused,
  min(time) as first_time, max(time) as last_time, cluster
from came
group by cluster, user, impersonated_user, client_ip, source_ip, user_agent
order by requests, first_time, user, client_ip, user_agent
