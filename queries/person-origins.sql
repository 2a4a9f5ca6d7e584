/*
title = "From where and with what a person worked"
group = "person"
answers = "One row per address, program and credential with which one of the person's identities made requests, or was impersonated, and one per identity that made requests from one of the person's addresses, the latest first."
cannot_see = "Who sat behind a shared address or account. Addresses behind a proxy or NAT that hides them. What retention removed, and calls that the audit policy left out."
level = "Metadata"
tags = ["gdpr:15"]
required = ["person"]
tables = ["person-addresses"]

[params]
person = { type = "words", help = "The person's user names, UIDs and IP addresses: alice,203.0.113.7" }

[columns]
user = "who asked"
as_user = "whom they impersonated"
client_ip = "first recorded address, as claimed"
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
credential_id = "id of the credential, if recorded"
requests = "how many requests, whatever came of them"
first_time = "when the first was answered"
last_time = "when the last was answered or ended"
cluster = "where"
*/
with used as (
  select
    user, impersonated_user, client_ip, source_ip, user_agent, credential_id, cluster, time,
    audit_id, received_time,
    verb, subresource, resource, id
  from events
  where user match :person
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and time >= :since and time < :until
  union all
  select
    user, impersonated_user, client_ip, source_ip, user_agent, credential_id, cluster, time,
    audit_id, received_time,
    verb, subresource, resource, id
  from events
  where impersonated_user match :person
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and time >= :since and time < :until
  union all
  select
    user, impersonated_user, client_ip, source_ip, user_agent, credential_id, cluster, time,
    audit_id, received_time,
    verb, subresource, resource, id
  from events
  where user_uid match :person
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and time >= :since and time < :until
  union all
  select
    user, impersonated_user, client_ip, source_ip, user_agent, credential_id, cluster, time,
    audit_id, received_time,
    verb, subresource, resource, id
  from events
  where source_ips match (select words from person_addresses)
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and time >= :since and time < :until
)
select
  user, impersonated_user as as_user, client_ip, source_ip, user_agent, credential_id,
  -- The stages of a long call share these; a client may choose the first, but not the second. Of any
  -- other call one stage is left.
  count(distinct iif(verb = 'watch' or subresource in ('exec', 'attach', 'portforward', 'proxy', 'log'),
    audit_id || ifnull(received_time, id) || ifnull(resource, ''), id)) as requests,
  min(time) as first_time, max(time) as last_time, cluster
from used
group by cluster, user, impersonated_user, client_ip, source_ip, user_agent, credential_id
order by last_time desc, user, client_ip
