/*
rows = "Requests that were answered, each by its last stage; whose they are is left to the statement."
materialized = false
*/
select
  e.time, e.user, e.impersonated_user, e.user_uid, e.source_ips, e.verb, e.resource, e.subresource,
  e.namespace, e.name, e.outcome, e.code, e.dry_run, e.request_uri, e.source_ip, e.user_agent,
  e.cluster, e.audit_id
from events as e
where e.stage <> 'RequestReceived'
  and (e.stage in ('ResponseComplete', 'Panic') or not exists (
    select 1 from events as later
    where later.audit_id = e.audit_id and later.received_time = e.received_time
      and later.request_uri = e.request_uri and later.user is e.user and later.cluster = e.cluster
      and later.time >= e.time
      -- Some apiservers record two starts of one call.
      and case when later.stage = e.stage then later.time > e.time or later.id > e.id
        else later.stage in ('ResponseComplete', 'Panic') end))
  and e.cluster match :cluster
  and e.time >= :since and e.time < :until
