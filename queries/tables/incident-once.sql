/*
rows = "Answered requests that the filters of an incident select, counted: each once, by its last answered stage. User and impersonated_user are left to the statement."
materialized = false
*/
select *
from event_counts
where summed = 1 and per_request = 1
  and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
  and source_ips match :source_ip
  and resource match :resource
  and namespace match :namespace
  and name match :name
  and audit_id match :audit_id
  and cluster match :cluster
  and time >= :since and time < :until
