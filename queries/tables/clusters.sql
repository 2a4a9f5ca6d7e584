/*
rows = "Each cluster of which the store holds events from before the end of the time range: what is demanded of a cluster is demanded of one that fell silent, too."
materialized = true
*/
select cluster
from event_counts
where cluster match :cluster and time < :until
group by cluster
