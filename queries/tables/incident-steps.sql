/*
rows = "Requests as far as they are known, each by its last stage, with texts that are not endless. Columns with the names of events are for conditions."
materialized = false
*/
select
  e.id, e.time, ifnull(e.received_time, e.time) as arrived, e.user, e.impersonated_user, e.verb,
  e.resource, e.api_group, e.subresource, e.namespace, e.name, e.outcome, e.dry_run, e.role_ref,
  e.source_ips, e.source_ip, e.client_ip, e.cluster, e.audit_id,
  iif(length(e.name) > 1000, substr(e.name, 1, 1000) || ' ...', e.name) as object,
  iif(length(e.path) > 1000, substr(e.path, 1, 1000) || ' ...', e.path) as at,
  iif(length(e.message) > 4000, substr(e.message, 1, 4000) || ' ...', e.message) as message,
  iif(length(e.request_uri) > 4000, substr(e.request_uri, 1, 4000) || ' ...', e.request_uri)
    as request_uri,
  iif(length(e.user_agent) > 1000, substr(e.user_agent, 1, 1000) || ' ...', e.user_agent)
    as user_agent,
  iif(length(e.subjects) > 9000, '["more than can be shown"]', e.subjects) as subjects,
  iif(length(e.pod_security) > 9000, '["more than can be shown"]', e.pod_security)
    as pod_security,
  iif(length(e.command) > 9000, '["more than can be shown"]', e.command) as command
from events as e
where (e.stage in ('ResponseComplete', 'Panic') or not exists (
    select 1 from events as later
    where later.audit_id = e.audit_id and later.received_time = e.received_time
      and later.request_uri = e.request_uri and later.user is e.user and later.cluster = e.cluster
      and later.time >= e.time
      -- Some apiservers record two starts of one call.
      and case when later.stage = e.stage then later.time > e.time or later.id > e.id
        else e.stage = 'RequestReceived' or later.stage in ('ResponseComplete', 'Panic') end))
  and e.cluster match :cluster
  and e.time >= :since and e.time < :until
