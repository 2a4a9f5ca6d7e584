/*
title = "What was done with system:masters, the group that no rule can refuse"
group = "access"
answers = "One row per identity, address and program in the group system:masters, own or impersonated, with how much it did. The apiserver's own calls (system:apiserver from the loopback address) come last."
cannot_see = "How requests that have not ended will end: they count as far as they got. Who holds a certificate of the group and has not used it. Which person used a shared one: its name is all that is recorded."
level = "Metadata"
tags = ["pci-dss:10.2.1.2", "attack:T1078"]
since = "1d"

[columns]
user = "who asked"
as_user = "whom they impersonated"
calls = "how many requests, ended or begun (watches, sessions)"
changes = "of these, creations, updates, patches and deletions"
refused = "of these, refused (by admission: the authorizer refuses nothing)"
source_ip = "address that no client can forge"
client_ip = "first recorded address, as claimed"
user_agent = "program, as claimed"
credential_id = "id of the credential, if recorded"
first_time = "when the first began to be answered"
last_time = "when the last was answered or ended"
cluster = "where"
*/
with counted as not materialized (
  select *, user_groups, impersonated_groups, per_request
  from event_counts
  where summed = 1
    and stage <> 'RequestReceived'
    and cluster match :cluster
    and user match :user
    and verb match :verb
    and resource match :resource
    and namespace match :namespace
    and source_ips match :source_ip
    and user_agent match :user_agent
    and time >= :since and time < :until
), masters as (
  select
    user, impersonated_user, source_ip, client_ip, user_agent, credential_id, cluster,
    events as calls,
    iif(verb in ('create', 'update', 'patch', 'delete', 'deletecollection'), events, 0) as changes,
    refused, null as first_time, null as last_time
  from counted
  where per_request = 1 and user_groups match 'system:masters'
  union all
  select
    user, impersonated_user, source_ip, client_ip, user_agent, credential_id, cluster,
    events, iif(verb in ('create', 'update', 'patch', 'delete', 'deletecollection'), events, 0),
    refused, null, null
  from counted
  where per_request = 1 and impersonated_user is not null
    and impersonated_groups match 'system:masters'
    and user_groups match '!system:masters'
  union all
  select
    user, impersonated_user, source_ip, client_ip, user_agent, credential_id, cluster,
    0, 0, 0, first_time, last_time
  from counted
  where user_groups match 'system:masters'
  union all
  select
    user, impersonated_user, source_ip, client_ip, user_agent, credential_id, cluster,
    0, 0, 0, first_time, last_time
  from counted
  where impersonated_user is not null
    and impersonated_groups match 'system:masters'
    and user_groups match '!system:masters'
)
select
  user, impersonated_user as as_user, sum(calls) as calls, sum(changes) as changes,
  sum(refused) as refused, source_ip, client_ip, user_agent, credential_id,
  min(first_time) as first_time, max(last_time) as last_time, cluster
from masters
group by cluster, user, impersonated_user, source_ip, client_ip, user_agent, credential_id
order by user is 'system:apiserver', changes desc, calls desc, last_time desc
