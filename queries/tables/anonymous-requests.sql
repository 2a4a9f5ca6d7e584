/*
rows = "One row: requests without a credential, those of them that were answered with objects and that were refused, and all events (everything)."
*/
select
  coalesce(sum(events), 0) as requests,
  coalesce(sum(iif(outcome in ('success', 'upgraded') and resource is not null, events, 0)), 0)
    as objects,
  coalesce(sum(iif(outcome glob 'denied_*', events, 0)), 0) as refused,
  (select coalesce(sum(events), 0) from event_counts
    where cluster match :cluster and time >= :since and time < :until) as everything
from event_counts
where user = 'system:anonymous'
  and stage in ('ResponseComplete', 'Panic')
  and cluster match :cluster and time >= :since and time < :until
