/*
rows = "Events that the filters of an incident select, counted; user and impersonated_user are left to the statement."
materialized = false
*/
select *
from event_counts
where source_ips match :source_ip
  and resource match :resource
  and namespace match :namespace
  and name match :name
  and audit_id match :audit_id
  and cluster match :cluster
  and time >= :since and time < :until
