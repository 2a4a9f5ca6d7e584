/*
rows = "What the incident did that created service accounts, minted their tokens or bound roles: since when, and by whom."
tables = ["incident-events"]
*/
with accounts as not materialized (
  select
    user, impersonated_user, resource, subresource, namespace, name, first_time, cluster
  from event_counts
  where summed = 1 and ended = 1
    and resource = 'serviceaccounts' and verb = 'create'
    and outcome = 'success' and dry_run = 0
    and source_ips match :source_ip
    and resource match :resource
    and namespace match :namespace
    and name match :name
    and audit_id match :audit_id
    and cluster match :cluster
    and time >= :since and time < :until
)
select
  first_time as time, user, resource, subresource, namespace, name, null as subjects,
  null as role_ref, cluster
from accounts
where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
  and user match :user
union all
select first_time, user, resource, subresource, namespace, name, null, null, cluster
from accounts
where :user not glob '!*' and impersonated_user match :user
union all
select time, user, resource, subresource, namespace, name, subjects, role_ref, cluster
from incident_events
where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
  and user match :user
  and resource in ('rolebindings', 'clusterrolebindings')
  and verb in ('create', 'update', 'patch')
  and outcome = 'success' and dry_run = 0
  and stage in ('ResponseComplete', 'Panic')
union all
select time, user, resource, subresource, namespace, name, subjects, role_ref, cluster
from incident_events
where :user not glob '!*'
  and impersonated_user match :user
  and resource in ('rolebindings', 'clusterrolebindings')
  and verb in ('create', 'update', 'patch')
  and outcome = 'success' and dry_run = 0
  and stage in ('ResponseComplete', 'Panic')
order by time
