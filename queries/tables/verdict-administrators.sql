/*
rows = "The verdict on whether what is done with administrator rights is recorded, of each cluster."
tables = ["clusters"]
*/
-- Each part counts what those before it do not.
with used as materialized (
  select cluster, verb, user, events from event_counts
  where user_groups match 'system:masters' and user <> 'system:apiserver'
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster and time >= :since and time < :until
  union all
  select cluster, verb, user, events from event_counts
  where impersonated_groups match 'system:masters' and user_groups match '!system:masters'
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster and time >= :since and time < :until
  union all
  select cluster, verb, user, events from event_counts
  where decision_reason match '*ClusterRole "cluster-admin" to *'
    and user_groups match '!system:masters' and impersonated_groups match '!system:masters'
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster and time >= :since and time < :until
),
figures as (
  select
    coalesce(sum(events), 0) as requests, count(distinct user) as actors,
    coalesce(sum(iif(verb in ('get', 'list', 'watch'), events, 0)), 0) as reads,
    coalesce(sum(iif(verb in ('create', 'update', 'patch', 'delete', 'deletecollection'),
      events, 0)), 0) as changes,
    (select group_concat(cluster, ', ') from clusters where cluster not in (
      select cluster from used group by cluster
      having sum(verb in ('get', 'list', 'watch')) > 0
        and sum(verb in ('create', 'update', 'patch', 'delete', 'deletecollection')) > 0
    )) as without
  from used
)
select
  iif(reads > 0 and changes > 0 and without is null, 'met', 'not enough data') as verdict,
  case
    when requests = 0 then 'no finished request with administrator rights is recorded'
    when reads = 0 or changes = 0 then format(
      '%,d requests with administrator rights by %d actors are recorded, but no %s among them',
      requests, actors, iif(reads = 0, 'reads', 'changes')
    )
    else format(
      '%,d requests with administrator rights by %d actors are recorded, %,d reads and %,d changes among them%s',
      requests, actors, reads, changes, ifnull('; not both of the clusters: ' || without, '')
    )
  end as why
from figures
