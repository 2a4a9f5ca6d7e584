/*
rows = "One row: requests without a credential, each once, those of them that were answered with objects and with paths beside health and version, and that were refused, the clusters of which none was refused (unrefused), and all events (everything)."
tables = ["clusters"]
*/
with asked as materialized (
  select cluster, outcome, resource, sum(events) as events
  from event_counts
  where per_request = 1
    and user = 'system:anonymous'
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster and time >= :since and time < :until
  group by cluster, outcome, resource
)
select
  coalesce(sum(events), 0) as requests,
  coalesce(sum(events) filter (
    where outcome in ('success', 'upgraded') and resource is not null), 0) as objects,
  -- Paths are for conditions only: callers may make up very many.
  (select coalesce(sum(events), 0) from event_counts
    where per_request = 1
      and user = 'system:anonymous' and resource is null
      and outcome in ('success', 'upgraded')
      and path match '!/healthz,!/healthz/*,!/livez,!/livez/*,!/readyz,!/readyz/*,!/version,!/version/'
      and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
      and cluster match :cluster and time >= :since and time < :until) as paths,
  coalesce(sum(events) filter (where outcome glob 'denied_*'), 0) as refused,
  (select group_concat(cluster, ', ') from clusters
    where cluster not in (select cluster from asked where outcome glob 'denied_*')) as unrefused,
  (select coalesce(sum(events), 0) from event_counts
    where cluster match :cluster and time >= :since and time < :until) as everything
from asked
