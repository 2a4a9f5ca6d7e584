/*
rows = "The verdict on whether access to the audit log is recorded."
*/
with figures as (
  select count(*) as requests from events
  where resource is null
    and path match '/logs,/logs/*'
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster and time >= :since and time < :until
)
select 'not enough data' as verdict,
  format('the store does not record who asks it; through Kubernetes, %,d requests for the log files of the apiserver are recorded', requests) as why
from figures
