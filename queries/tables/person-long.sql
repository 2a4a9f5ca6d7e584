/*
rows = "Answered stages of long calls (watches, sessions, logs, profiles); those of one call have the same call. Whose they are is left to the statement."
materialized = false
*/
with answered as not materialized (
  -- A client may choose the audit id of a call, but not the time when it was received.
  select
    user, impersonated_user, user_uid, source_ips, client_ip, source_ip, user_agent, credential_id,
    cluster, time, audit_id, received_time, verb, subresource, resource, path, id,
    audit_id || ifnull(received_time, id) || ifnull(resource, '') as call
  from events
  where stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and time >= :since and time < :until
)
select * from answered where verb = 'watch'
union all
select *
from answered
where verb match '!watch' and subresource in ('exec', 'attach', 'portforward', 'proxy', 'log')
union all
-- The apiserver holds these for long ones, too.
select *
from answered
where verb match '!watch' and resource is null and path match '/debug/pprof/*'
