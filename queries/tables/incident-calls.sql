/*
rows = "Ends of requests that the filters of an incident select, by whom or in whose name."
tables = ["incident-events"]
materialized = false
*/
select
  time, user, impersonated_user, source_ip, verb, resource, subresource, namespace, name, outcome,
  dry_run, role_ref, images, issued_credential_id, cluster
from incident_events
where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
  and user match :user
  and stage in ('ResponseComplete', 'Panic')
union all
select
  time, user, impersonated_user, source_ip, verb, resource, subresource, namespace, name, outcome,
  dry_run, role_ref, images, issued_credential_id, cluster
from incident_events
where :user not glob '!*'
  and impersonated_user match :user
  and stage in ('ResponseComplete', 'Panic')
  and id not in (
    select id from events
    where impersonated_user match :user and user match :user
      and time >= :since and time < :until)
