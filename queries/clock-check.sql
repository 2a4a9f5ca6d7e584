/*
title = "Do the clocks agree"
group = "compliance"
answers = "One row per cluster and source among the newest events of the time range: how long after they happened they were stored, how many came from the future, and how many ended before they began. Over the whole range it also counts events later than now and events without a time of their own."
cannot_see = "Whether clocks are set by a time server. An offset smaller than the way takes: a webhook's batch waits up to 30 seconds. For imported files only that none comes from the future. Older events than those it looks at (see clock-skew)."
level = "Metadata"
tags = ["pci-dss:10.6", "nist-800-53:AU-8"]

[params]
newest = { type = "int", default = 20000, help = "How many of the newest events to look at" }
ahead = { type = "duration", default = "1s", help = "How far in the future an event must be to count" }

[columns]
verdict = "met when events that came in live show no wrong clock, not met, or not enough data"
cluster = "from where"
source = "how it came in"
events = "events looked at"
future = "of these, later than the moment at which they were stored, by more than ahead"
most_ahead_s = "seconds by which the one furthest ahead was"
before_received = "of these, at a stage before the request was received"
least_delay_s = "seconds from stage to stored: the least; negative is ahead"
most_delay_s = "the most"
untimed = "events of the whole range without a time of their own"
later_than_now = "events of the whole range that are later than now"
why = "the verdict in words"
*/
with
sample as materialized (
  select
    cluster, source, latency_us,
    unixepoch(stored_time, 'subsec') - unixepoch(time, 'subsec') as delay
  from events
  where cluster match :cluster and time >= :since and time < :until
  order by time desc
  limit :newest
),
looked as (
  select
    cluster, source, count(*) as events,
    sum(delay * 1000000 < -:ahead) as future,
    round(max(0, -min(delay)), 3) as most_ahead_s,
    coalesce(sum(latency_us < 0), 0) as before_received,
    round(min(delay), 3) as least_delay_s, round(max(delay), 3) as most_delay_s
  from sample
  group by cluster, source
),
odd as materialized (
  select cluster, source, count(*) as untimed, 0 as later
  from events
  where time_quality is not null
    and cluster match :cluster and time >= :since and time < :until
  group by cluster, source
  union all
  select cluster, source, 0, count(*)
  from events
  where time > strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
    and cluster match :cluster and time >= :since and time < :until
  group by cluster, source
),
checked as (
  select
    looked.*,
    (select coalesce(sum(untimed), 0) from odd
      where odd.cluster = looked.cluster and odd.source = looked.source) as untimed,
    (select coalesce(sum(later), 0) from odd
      where odd.cluster = looked.cluster and odd.source = looked.source) as later_than_now
  from looked
)
select
  case
    when future + before_received + untimed + later_than_now > 0 then 'not met'
    when source <> 'webhook' then 'not enough data'
    else 'met'
  end as verdict,
  cluster, source, events, future, most_ahead_s, before_received, least_delay_s, most_delay_s,
  untimed, later_than_now,
  case
    when future + later_than_now > 0
      then format('events from the future: %,d', max(future, later_than_now))
    when before_received > 0 then format('events that ended before they began: %,d', before_received)
    when untimed > 0 then format('events without a time of their own: %,d', untimed)
    when source <> 'webhook' then 'imported: a clock that is behind would not show'
    else format('stored %.1f to %.1f seconds after they happened', least_delay_s, most_delay_s)
  end as why
from checked
order by cluster, source
