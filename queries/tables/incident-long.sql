/*
rows = "Answered stages of long calls (watches, sessions, logs) that the filters of an incident select; those of one call have the same call. User and impersonated_user are left to the statement."
tables = ["incident-events"]
materialized = false
*/
-- A client may choose the audit id of a call, but not the time when it was received.
select
  user, impersonated_user, client_ip, source_ip, user_agent, verb, resource, subresource, namespace,
  name, path, outcome, dry_run, time, cluster, audit_id || ifnull(received_time, id) as call
from incident_events
where stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
  and verb = 'watch'
union all
select
  user, impersonated_user, client_ip, source_ip, user_agent, verb, resource, subresource, namespace,
  name, path, outcome, dry_run, time, cluster, audit_id || ifnull(received_time, id)
from incident_events
where stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
  and verb match '!watch' and subresource in ('exec', 'attach', 'portforward', 'proxy', 'log')
