/*
title = "Where else a person is mentioned, down to the bytes"
group = "person"
answers = "One row per identifier and kind of event that holds it as text anywhere in its recorded bytes, without being a request by the person or in their name: in which fields, how often, when. Each identifier takes one search through all bytes of the time range."
cannot_see = "Other spellings: upper and lower case count, and so does a name that a client encoded (in Base64 or a URL). Words with * in the middle. Whether a short word means the person. More than 100,000 events. What retention removed; bodies that the audit level or truncation left out."
level = "Metadata"
tags = ["gdpr:15"]
required = ["person"]
tables = ["person-words"]

[params]
person = { type = "names", help = "The person's user names, UIDs, e-mail addresses and IP addresses: alice,alice@example.com,203.0.113.7" }
indexed_only = { type = "flag", default = false, help = "Skip this search, which takes the longest" }

[columns]
identifier = "what was found"
fields = { json = "where: uri, user, user agent, addresses, name, message, annotations, user attributes, request body, response body; a JSON array, empty when the text stands elsewhere" }
verb = "verb"
resource = "resource"
namespace = "namespace of the object"
events = "how many events, not requests"
users = { json = "who made the requests, a JSON array" }
first_time = "time of the first event"
last_time = "time of the last one"
an_event = "audit ID of the last, for auditql show"
cluster = "where"
*/
with identifiers as materialized (
  select distinct replace(replace(trim(word, '*'), '\\', char(31)), '\', '') as plain
  from person_words
  where not :indexed_only and trim(word, '*') <> '' and trim(word, '*') not like '%*%'
), sought as materialized (
  select replace(plain, char(31), '\') as word from identifiers
), held as (
  select
    sought.word, verb, resource, namespace, user, e.cluster, e.time, e.audit_id, found_in as fields
  from sought cross join events as e
  where e.raw match sought.word
    -- These are found without reading bytes.
    and e.user match '!' || :person
    and e.impersonated_user match '!' || :person
    and e.user_uid match '!' || :person
    and e.cluster match :cluster
    and e.time >= :since and e.time < :until
  limit 100000
)
select
  word as identifier, fields, verb, resource, namespace, count(*) as events,
  json_group_array(distinct user) filter (where user is not null) as users,
  min(time) as first_time, max(time) as last_time,
  substr(max(time || audit_id), length('2026-01-01T00:00:00.000000Z') + 1) as an_event, cluster
from held
group by cluster, word, fields, verb, resource, namespace
order by events desc, identifier, fields, resource, namespace, verb
