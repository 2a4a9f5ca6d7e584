/*
rows = "Long calls (watches, sessions, logs) that the filters of an incident select, counted: each once, by its last answered stage. Rows of no events say when their stages were answered. User and impersonated_user are left to the statement."
tables = ["incident-once", "incident-tally"]
materialized = false
*/
with answered as not materialized (
  select *
  from incident_tally
  where stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
)
-- Conditions on the rows get into all four parts only if their columns are of one type: hence the casts.
select
  user, impersonated_user, client_ip, source_ip, user_agent, verb, resource, subresource, namespace,
  name, outcome, dry_run, cluster, events, cast(null as text) as first_time,
  cast(null as text) as last_time
from incident_once
where verb = 'watch'
union all
select
  user, impersonated_user, client_ip, source_ip, user_agent, verb, resource, subresource, namespace,
  name, outcome, dry_run, cluster, events, cast(null as text), cast(null as text)
from incident_once
where verb match '!watch' and subresource in ('exec', 'attach', 'portforward', 'proxy', 'log')
union all
select
  user, impersonated_user, client_ip, source_ip, user_agent, verb, resource, subresource, namespace,
  name, outcome, dry_run, cluster, cast(0 as integer), first_time, last_time
from answered
where verb = 'watch'
union all
select
  user, impersonated_user, client_ip, source_ip, user_agent, verb, resource, subresource, namespace,
  name, outcome, dry_run, cluster, cast(0 as integer), first_time, last_time
from answered
where verb match '!watch' and subresource in ('exec', 'attach', 'portforward', 'proxy', 'log')
