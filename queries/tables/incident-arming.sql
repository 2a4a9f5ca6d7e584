/*
rows = "Requests of the incident that created service accounts, minted their tokens or bound roles."
tables = ["incident-events"]
*/
select time, user, verb, resource, subresource, namespace, name, subjects, role_ref, cluster
from incident_events
where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
  and user match :user
  and resource in ('serviceaccounts', 'rolebindings', 'clusterrolebindings')
  and verb in ('create', 'update', 'patch')
  and outcome = 'success' and dry_run = 0
  and stage in ('ResponseComplete', 'Panic')
union all
select time, user, verb, resource, subresource, namespace, name, subjects, role_ref, cluster
from incident_events
where :user not glob '!*'
  and impersonated_user match :user
  and resource in ('serviceaccounts', 'rolebindings', 'clusterrolebindings')
  and verb in ('create', 'update', 'patch')
  and outcome = 'success' and dry_run = 0
  and stage in ('ResponseComplete', 'Panic')
order by time limit 2000
