/*
rows = "Each cluster with events in the time range."
materialized = true
*/
select cluster
from event_counts
where cluster match :cluster and time >= :since and time < :until
group by cluster
