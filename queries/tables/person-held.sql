/*
rows = "Long calls (watches, sessions, logs, profiles), counted: each once, by its last answered stage. Rows of no events say when stages were answered. Whose they are is left to the statement."
materialized = false
*/
with answered as not materialized (
  select *, per_request
  from event_counts
  where summed = 1
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and time >= :since and time < :until
)
-- Conditions on the rows get into all parts only if their columns are of one type: hence the casts.
select
  user, impersonated_user, client_ip, source_ip, user_agent, credential_id, cluster, events,
  cast(null as text) as first_time, cast(null as text) as last_time
from answered
where per_request = 1 and verb = 'watch'
union all
select
  user, impersonated_user, client_ip, source_ip, user_agent, credential_id, cluster, events,
  cast(null as text), cast(null as text)
from answered
where per_request = 1
  and verb match '!watch' and subresource in ('exec', 'attach', 'portforward', 'proxy', 'log')
union all
-- When these were answered is among the short ones.
select
  user, impersonated_user, client_ip, source_ip, user_agent, credential_id, cluster, events,
  cast(null as text), cast(null as text)
from answered
where per_request = 1 and verb match '!watch' and resource is null and path match '/debug/pprof/*'
union all
select
  user, impersonated_user, client_ip, source_ip, user_agent, credential_id, cluster,
  cast(0 as integer), first_time, last_time
from answered
where verb = 'watch'
union all
select
  user, impersonated_user, client_ip, source_ip, user_agent, credential_id, cluster,
  cast(0 as integer), first_time, last_time
from answered
where verb match '!watch' and subresource in ('exec', 'attach', 'portforward', 'proxy', 'log')
