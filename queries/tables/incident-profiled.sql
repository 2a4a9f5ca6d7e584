/*
rows = "Profiles of the apiserver that the filters of an incident select: to it they are long calls, so that both their answered stages are among the short ones. These rows add up to what that counts too much, below 0. User and impersonated_user are left to the statement."
tables = ["incident-once", "incident-tally"]
materialized = false
*/
with answered as not materialized (
  select *
  from incident_tally
  where stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
)
select
  user, impersonated_user, client_ip, source_ip, user_agent, outcome, cluster, events,
  cast(null as text) as first_time, cast(null as text) as last_time
from incident_once
where resource is null and path match '/debug/pprof/*' and verb match '!watch'
union all
select
  user, impersonated_user, client_ip, source_ip, user_agent, outcome, cluster,
  cast(-events as integer), first_time, last_time
from answered
where resource is null and path match '/debug/pprof/*' and verb match '!watch'
