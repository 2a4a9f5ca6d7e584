/*
rows = "The verdict on whether clocks agree."
tables = ["clocks"]
*/
with
-- Live events of one cluster say nothing of the clock of another.
unshown as materialized (
  select cluster, max(iif(source = 'webhook', least, null)) as least
  from clocks
  group by cluster
  having not max(verdict = 'met')
  order by least desc, cluster
),
figures as (
  select
    coalesce(sum(events), 0) as events, count(distinct cluster) as clusters,
    coalesce(sum(max(later, future)), 0) as ahead, coalesce(sum(before), 0) as before,
    coalesce(sum(untimed), 0) as untimed,
    coalesce(sum(iif(source = 'webhook', events, 0)), 0) as live,
    min(iif(source = 'webhook', least, null)) as least,
    max(iif(source = 'webhook', most, null)) as most,
    (select count(*) from unshown) as without,
    (select cluster from unshown limit 1) as one,
    (select least from unshown limit 1) as behind
  from clocks
)
select
  case
    when ahead + before + untimed > 0 then 'not met'
    when events = 0 or without > 0 then 'not enough data'
    else 'met'
  end as verdict,
  case
    when ahead > 0 then format('events from the future: %,d', ahead)
    when before > 0 then format('events that ended before they began: %,d', before)
    when untimed > 0 then format('events without a time of their own: %,d', untimed)
    when events = 0 then 'no event in the time range'
    when behind is not null then format(
      'the newest live events of cluster %s were stored %.1f seconds or more after they happened: its clock is behind, or something keeps its events for that long',
      one, behind
    )
    when without > 0 then format(
      'no event of %s came in live, so a clock that is behind would not show; no event is from the future or ended before it began',
      iif(without = 1, 'cluster ' || one, format('%d of %d clusters', without, clusters))
    )
    else format(
      'of each cluster (clusters: %d) none of the live events of the last hour with any (%,d) is from the future, and they were stored %.1f to %.1f seconds after they happened',
      clusters, live, least, most
    )
  end as why
from figures
