/*
rows = "One row: requests without a credential, each once, those of them that were answered with objects and with paths beside health and version, and that were refused, and all events (everything)."
*/
select
  coalesce(sum(events), 0) as requests,
  coalesce(sum(events) filter (
    where outcome in ('success', 'upgraded') and resource is not null), 0) as objects,
  coalesce(sum(events) filter (
    where outcome in ('success', 'upgraded') and resource is null
      and path not in ('/healthz', '/livez', '/readyz', '/version', '/version/')
      and path not glob '/healthz/*' and path not glob '/livez/*' and path not glob '/readyz/*'),
    0) as paths,
  coalesce(sum(events) filter (where outcome glob 'denied_*'), 0) as refused,
  (select coalesce(sum(events), 0) from event_counts
    where cluster match :cluster and time >= :since and time < :until) as everything
from event_counts
where per_request = 1
  and user = 'system:anonymous'
  and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
  and cluster match :cluster and time >= :since and time < :until
