/*
title = "When each identity was first and last seen"
group = "who"
answers = "One row per user, recorded address and user agent that matches, with its first and last event and how many there were, the latest first. Counted from the store's tables of values, not by reading events."
cannot_see = "Events before the oldest that the store holds. Whom users impersonated (impersonation). Addresses count every recorded hop, claimed ones included. A request has one event per recorded stage."
level = "Metadata"
tags = []

[params.identity]
type = "text"
help = "User, address or user agent; * stands for anything"
default = "*"

[params.kind]
type = "text"
help = "Only user, source_ip or user_agent"

[columns]
kind = "user, source_ip or user_agent"
identity = "the user, address or user agent"
first_seen = "time of its first event"
last_seen = "time of its last event"
events = "events, not requests"
*/
select 'user' as kind, user as identity, first_seen, last_seen, events
from users
where user glob :identity and last_seen >= :since and first_seen < :until
  and (:kind is null or :kind = 'user')
union all
select 'source_ip', source_ip, first_seen, last_seen, events
from source_ips
where source_ip glob :identity and last_seen >= :since and first_seen < :until
  and (:kind is null or :kind = 'source_ip')
union all
select 'user_agent', user_agent, first_seen, last_seen, events
from user_agents
where user_agent glob :identity and last_seen >= :since and first_seen < :until
  and (:kind is null or :kind = 'user_agent')
order by last_seen desc, identity
