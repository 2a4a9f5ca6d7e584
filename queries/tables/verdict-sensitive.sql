/*
rows = "The verdict on whether requests in the namespaces :sensitive are recorded, of each cluster."
tables = ["clusters"]
*/
with seen as materialized (
  select
    cluster, user, sum(events) as events,
    sum(iif(verb in ('get', 'list', 'watch'), events, 0)) as reads
  from event_counts
  where namespace match :sensitive
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster and time >= :since and time < :until
  group by cluster, user
),
figures as (
  select
    coalesce(sum(events), 0) as requests, count(distinct user) as users,
    coalesce(sum(reads), 0) as reads,
    coalesce(sum(iif(user is null, events, 0)), 0) as nameless,
    (select group_concat(cluster, ', ') from clusters
      where cluster not in (select cluster from seen where reads > 0)) as without
  from seen
)
select
  case
    when nameless > 0 then 'not met'
    when reads > 0 and without is null then 'met'
    else 'not enough data'
  end as verdict,
  case
    when requests = 0 then 'no request in the namespaces ' || :sensitive || ' is recorded; name those that matter with --sensitive'
    when nameless > 0 then format('%,d of %,d requests in these namespaces have no user', nameless, requests)
    when reads = 0 then format('%,d changes by %d users are recorded in these namespaces, but no read', requests, users)
    else format('%,d requests by %d users are recorded in the namespaces %s, %,d reads among them%s',
      requests, users, :sensitive, reads, ifnull('; no read of the clusters: ' || without, ''))
  end as why
from figures
