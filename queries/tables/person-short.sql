/*
rows = "Answers to requests, counted, but for those of long calls (watches, sessions, logs, profiles): each stands for a request. Whose they are is left to the statement."
materialized = false
*/
select
  user, impersonated_user, user_uid, source_ips, client_ip, source_ip, user_agent, credential_id,
  cluster, events, first_time, last_time
from event_counts
where summed = 1
  and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
  and verb match '!watch'
  and subresource match '!exec,attach,portforward,proxy,log'
  and cluster match :cluster
  and time >= :since and time < :until
union all
-- To the apiserver these calls are long ones, too; few requests have no resource.
select
  user, impersonated_user, user_uid, source_ips, client_ip, source_ip, user_agent, credential_id,
  cluster, cast(-events as integer), first_time, last_time
from event_counts
where summed = 1
  and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
  and verb match '!watch'
  and resource is null and path match '/debug/pprof/*'
  and cluster match :cluster
  and time >= :since and time < :until
