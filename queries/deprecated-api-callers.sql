/*
title = "Who still calls deprecated APIs, and when they go away"
group = "operations"
answers = "One row per user, program and API, those with the most calls first, with the release that no longer serves it."
cannot_see = "Calls that found no API any more (they are not_found). The removed release where the apiserver does not name one. Calls that the audit policy left out."
level = "Metadata"
tags = []
since = "7d"

[columns]
user = "who asked"
api = "API that is deprecated, as GROUP/VERSION"
resource = "resource"
removed_release = "release that no longer serves it, of the last call"
user_agent = "program, as claimed"
calls = "how many"
first = "when the first one ended"
last = "when the last one ended"
cluster = "where"
audit_id = "of the last call, for auditql show"
*/
with calls as materialized (
  select
    user, coalesce(api_group || '/', '') || api_version as api, resource, user_agent, cluster,
    count(*) as calls, min(time) as first, max(time) as last, max(time || id) as newest
  from events
  where deprecated = 1
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster
    and user match :user
    and user_agent match :user_agent
    and resource match :resource
    and namespace match :namespace
    and time >= :since and time < :until
  group by 1, 2, 3, 4, 5
)
select
  calls.user, api, calls.resource,
  events.annotations ->> '$."k8s.io/removed-release"' as removed_release,
  calls.user_agent, calls, first, last, calls.cluster, events.audit_id
from calls join events
  on events.id = cast(substr(newest, length('2026-01-01T00:00:00.000000Z') + 1) as integer)
  and events.time = last
  and events.deprecated = 1
order by calls desc, last desc
