/*
title = "Where a person appears"
group = "person"
answers = "One row per way in which one of the person's identifiers stands in a column of the events: as acting user, impersonator, impersonated user, UID, group, address, subject of a role binding, namespace, name of an object, or its owner, with how many requests and when."
cannot_see = "Identifiers that were not given, such as an address that a provider handed out. Names inside request and response bodies and attributes (see person-mentions). What retention removed. Whether two people share a name or an address."
level = "Metadata"
tags = ["gdpr:15"]
required = ["person"]
tables = ["person-words", "person-addresses", "person-short", "person-held"]

[params]
person = { type = "names", help = "The person's user names, UIDs, e-mail addresses and IP addresses: alice,alice@example.com,203.0.113.7" }

[columns]
found_as = "acting user, impersonator, impersonated user, UID, group, address, binding subject, namespace, object name or owner"
value = "the identifier as it was recorded"
related = "user whom they impersonated, who impersonated them, or who had the UID or address; role; resource"
requests = "how many requests, whatever came of them"
first_time = "when the first was answered"
last_time = "when the last was answered or ended"
a_request = "audit ID of the last, for auditql show"
cluster = "where"
*/
with calls as materialized (
  select user, impersonated_user, cluster, events, first_time, last_time
  from person_short
  where user match :person
  union all
  select user, impersonated_user, cluster, events, first_time, last_time
  from person_held
  where user match :person
),
answered as (
  select
    user, impersonated_user, cluster, sum(events) as requests, min(first_time) as first_time,
    max(last_time) as last_time
  from calls
  group by user, impersonated_user, cluster
),
counted as (
  select
    iif(impersonated_user is null, 'acting user', 'impersonator') as found_as, user as value,
    impersonated_user as related, requests, first_time, last_time,
    (
      select max(e.time || e.audit_id)
      from events as e
      where e.user = answered.user and e.impersonated_user is answered.impersonated_user
        and e.stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
        and e.cluster = answered.cluster and e.time = answered.last_time
    ) as last, cluster
  from answered
),
found as (
  select
    'impersonated user' as found_as, impersonated_user as value, user as related, cluster, time,
    audit_id, received_time, verb, subresource, resource, path, id
  from events
  where impersonated_user match :person
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and time >= :since and time < :until
  union all
  select
    'UID', user_uid, user, cluster, time, audit_id, received_time,
    verb, subresource, resource, path, id
  from events
  where user_uid match :person
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and time >= :since and time < :until
  union all
  select
    'group', 'one of ' || user_groups, user, cluster, time, audit_id, received_time,
    verb, subresource, resource, path, id
  from events
  where user_groups match :person
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and time >= :since and time < :until
  union all
  select
    'address', client_ip, user, cluster, time, audit_id, received_time,
    verb, subresource, resource, path, id
  from events
  where source_ips match (select words from person_addresses)
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and time >= :since and time < :until
  union all
  select
    'binding subject', 'one of ' || subjects, role_ref, cluster, time, audit_id, received_time,
    verb, subresource, resource, path, id
  from events
  where subjects match (
      select group_concat('User:' || word || iif(word glob 'system:serviceaccount:*:*',
        ',ServiceAccount:' || replace(substr(word, 23), ':', '/'), ''), ',')
      from (select replace(word, ',', '\,') as word from person_words)
    )
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster
    and time >= :since and time < :until
  union all
  select
    'namespace', namespace, resource, cluster, time, audit_id, received_time,
    verb, subresource, resource, path, id
  from events
  where namespace match :person
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and time >= :since and time < :until
  union all
  select
    'object name', name, resource, cluster, time, audit_id, received_time,
    verb, subresource, resource, path, id
  from events
  where name match :person
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and time >= :since and time < :until
  union all
  select
    'owner', owner, resource, cluster, time, audit_id, received_time,
    verb, subresource, resource, path, id
  from events
  where owner match (
      select group_concat('*/' || replace(word, ',', '\,'), ',') from person_words)
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and time >= :since and time < :until
),
listed as (
  select
    found_as, value, related,
    -- The stages of a long call share these; a client may choose the first, but not the second. Of any
    -- other call one stage is left.
    count(distinct iif(
      verb = 'watch' or subresource in ('exec', 'attach', 'portforward', 'proxy', 'log')
        or resource is null and path glob '/debug/pprof/*',
      audit_id || ifnull(received_time, id) || ifnull(resource, ''), id)) as requests,
    min(time) as first_time, max(time) as last_time, max(time || audit_id) as last, cluster
  from found
  group by cluster, found_as, value, related
)
select
  found_as, value, related, sum(requests) as requests, min(first_time) as first_time,
  max(last_time) as last_time,
  substr(max(last), length('2026-01-01T00:00:00.000000Z') + 1) as a_request, cluster
from (select * from counted union all select * from listed)
group by cluster, found_as, value, related
order by
  case found_as
    when 'acting user' then 1 when 'impersonator' then 2 when 'impersonated user' then 3
    when 'UID' then 4 when 'group' then 5 when 'binding subject' then 6 when 'address' then 7
    else 8
  end,
  requests desc, value, related
