/*
rows = "The verdict on whether requests in the namespaces :sensitive are recorded."
*/
with figures as (
  select
    coalesce(sum(events), 0) as requests, count(distinct user) as users,
    coalesce(sum(iif(verb in ('get', 'list', 'watch'), events, 0)), 0) as reads,
    coalesce(sum(iif(user is null, events, 0)), 0) as nameless
  from event_counts
  where namespace match :sensitive
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster and time >= :since and time < :until
)
select
  case when nameless > 0 then 'not met' when reads > 0 then 'met' else 'not enough data' end
    as verdict,
  case
    when requests = 0 then 'no request in the namespaces ' || :sensitive || ' is recorded; name those that matter with --sensitive'
    when nameless > 0 then format('%,d of %,d requests in these namespaces have no user', nameless, requests)
    when reads = 0 then format('%,d changes by %d users are recorded in these namespaces, but no read', requests, users)
    else format('%,d requests by %d users are recorded in the namespaces %s, %,d reads among them', requests, users, :sensitive, reads)
  end as why
from figures
