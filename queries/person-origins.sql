/*
title = "From where and with what a person worked"
group = "person"
answers = "One row per address, program and credential with which one of the person's identities made requests, or was impersonated, and one per identity that made requests from one of the person's addresses, the latest first."
cannot_see = "Who sat behind a shared address or account. Addresses behind a proxy or NAT that hides them. What retention removed, and calls that the audit policy left out."
level = "Metadata"
tags = ["gdpr:15"]
required = ["person"]
tables = ["person-addresses", "person-held", "person-long", "person-short"]

[params]
person = { type = "names", help = "The person's user names, UIDs and IP addresses: alice,203.0.113.7" }

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
with own as materialized (
  -- Long calls that are counted already.
  select id from person_long where user match :person
), used as (
  select
    user, impersonated_user, client_ip, source_ip, user_agent, credential_id, cluster,
    first_time, last_time, events, null as call
  from person_short
  where user match :person
  union all
  -- Each of these counts what those before it do not.
  select
    user, impersonated_user, client_ip, source_ip, user_agent, credential_id, cluster,
    first_time, last_time, events, null
  from person_short
  where impersonated_user match :person
    and user match '!' || :person
  union all
  select
    user, impersonated_user, client_ip, source_ip, user_agent, credential_id, cluster,
    first_time, last_time, events, null
  from person_short
  where user_uid match :person
    and user match '!' || :person
    and impersonated_user match '!' || :person
  union all
  select
    user, impersonated_user, client_ip, source_ip, user_agent, credential_id, cluster,
    first_time, last_time, events, null
  from person_short
  where source_ips match (select words from person_addresses)
    and user match '!' || :person
    and impersonated_user match '!' || :person
    and user_uid match '!' || :person
  union all
  select
    user, impersonated_user, client_ip, source_ip, user_agent, credential_id, cluster,
    first_time, last_time, events, null
  from person_held
  where user match :person
  union all
  select
    user, impersonated_user, client_ip, source_ip, user_agent, credential_id, cluster,
    time, time, 0, call
  from person_long
  where impersonated_user match :person
    and id not in (select id from own)
  union all
  select
    user, impersonated_user, client_ip, source_ip, user_agent, credential_id, cluster,
    time, time, 0, call
  from person_long
  where user_uid match :person
    and id not in (select id from own)
  union all
  select
    user, impersonated_user, client_ip, source_ip, user_agent, credential_id, cluster,
    time, time, 0, call
  from person_long
  where source_ips match (select words from person_addresses)
    and id not in (select id from own)
)
select
  user, impersonated_user as as_user, client_ip, source_ip, user_agent, credential_id,
  sum(events) + count(distinct call) as requests,
  min(first_time) as first_time, max(last_time) as last_time, cluster
from used
group by cluster, user, impersonated_user, client_ip, source_ip, user_agent, credential_id
order by last_time desc, user, client_ip
