/*
rows = "Sessions that the filters of an incident select, by whom or in whose name, and that began without a recorded end."
tables = ["incident-long"]
materialized = true
*/
select call, min(time) as time
from (
  select call, stage, outcome, time
  from incident_long
  where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
    and user match :user
    and verb match '!watch' and subresource match 'exec,attach,portforward,proxy'
  union all
  select call, stage, outcome, time
  from incident_long
  where :user not glob '!*'
    and impersonated_user match :user
    and verb match '!watch' and subresource match 'exec,attach,portforward,proxy'
)
group by call
having max(stage <> 'ResponseStarted') = 0 and max(outcome = 'denied_authn') = 0
