/*
rows = "How many ends of requests the filters of an incident select, by user, verb, subresource and outcome, and from when to when; what was done in somebody's own name as somebody is taken off once."
tables = ["incident-tally"]
materialized = true
*/
with selected as not materialized (
  select
    user, impersonated_user, verb, subresource, outcome, events, first_time, last_time
  from incident_tally
  where ended = 1
)
select user, verb, subresource, outcome, events, first_time, last_time
from selected
where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
  and user match :user
union all
select user, verb, subresource, outcome, events, first_time, last_time
from selected
where :user not glob '!*' and impersonated_user match :user
union all
select user, verb, subresource, outcome, -events, first_time, last_time
from selected
where :user not glob '!*' and impersonated_user match :user
  and user match :user
