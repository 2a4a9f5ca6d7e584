/*
rows = "Of each cluster and source what its events say of its clock. Live events of the last hour with any show one that is behind; the apiserver holds a batch back for up to 30 seconds, so from a minute on its clock is behind or something keeps its events."
materialized = true
*/
with
odd as materialized (
  select cluster, source, count(*) as later, 0 as before, 0 as untimed
  from events
  -- Clocks of machines agree to a second at best.
  where time > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+1 second')
    and cluster match :cluster and time >= :since and time < :until
  group by cluster, source
  union all
  -- A time range that ends now would leave out what says that it is from later.
  select cluster, source, count(*), 0, 0
  from events
  where time > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+1 second')
    and cluster match :cluster and time >= :until
    and stored_time >= :since and stored_time < :until
  group by cluster, source
  union all
  select cluster, source, 0, sum(events), 0
  from event_counts
  where latency_us < 0 and cluster match :cluster and time >= :since and time < :until
  group by cluster, source
  union all
  select cluster, source, 0, 0, count(*)
  from events
  where time_quality is not null and cluster match :cluster and time >= :since and time < :until
  group by cluster, source
),
heard as materialized (
  select cluster, source, max(last_time) as newest
  from event_counts
  where cluster match :cluster and time >= :since and time < :until
  group by cluster, source
),
looked as (
  select
    heard.cluster, heard.source, delays.events, delays.future,
    delays.least_delay_us / 1e6 as least, delays.most_delay_us / 1e6 as most
  from heard cross join event_delays as delays
  where delays.cluster = heard.cluster and delays.source = heard.source
    and delays.time >= strftime('%Y-%m-%dT%H:%M:%fZ', heard.newest, '-1 hour')
    and delays.time < :until
    and delays.tolerance_us = 1000000
  union all
  select cluster, source, 0, 0, null, null
  from odd
  where (cluster, source) not in (select cluster, source from heard)
  group by cluster, source
)
select
  looked.cluster, looked.source, looked.events, looked.future, least, most,
  coalesce(sum(odd.later), 0) as later, coalesce(sum(odd.before), 0) as before,
  coalesce(sum(odd.untimed), 0) as untimed,
  case
    when looked.future > 0 or sum(odd.later + odd.before + odd.untimed) > 0 then 'not met'
    when looked.source <> 'webhook' or least > 60 then 'not enough data'
    else 'met'
  end as verdict
from looked
  left join odd on odd.cluster = looked.cluster and odd.source = looked.source
group by looked.cluster, looked.source
