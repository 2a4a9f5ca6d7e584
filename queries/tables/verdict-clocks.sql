/*
rows = "The verdict on whether clocks agree."
*/
with
odd (ahead, before, untimed) as (
  select count(*), 0, 0 from events
  where time > strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
    and cluster match :cluster and time >= :since and time < :until
  union all
  select 0, count(*), 0 from events
  where latency_us < 0 and cluster match :cluster and time >= :since and time < :until
  union all
  select 0, 0, count(*) from events
  where time_quality is not null
    and cluster match :cluster and time >= :since and time < :until
),
sample as (
  select source, unixepoch(stored_time, 'subsec') - unixepoch(time, 'subsec') as delay
  from events
  where cluster match :cluster and time >= :since and time < :until
  order by time desc
  limit 20000
),
live as (
  select count(*) as events, coalesce(sum(delay < -1), 0) as future, max(delay) as latest
  from sample
  where source = 'webhook'
),
figures as (
  select sum(odd.ahead) as ahead, sum(odd.before) as before, sum(untimed) as untimed,
    live.events, live.future, live.latest
  from odd, live
)
select
  case
    when ahead + before + untimed + future > 0 then 'not met'
    when events = 0 then 'not enough data'
    else 'met'
  end as verdict,
  case
    when ahead + future > 0 then format('events from the future: %,d', max(ahead, future))
    when before > 0 then format('events that ended before they began: %,d', before)
    when untimed > 0 then format('events without a time of their own: %,d', untimed)
    when events = 0 then 'among the newest events none came in live, so a clock that is behind would not show; no event is from the future or ended before it began'
    else format(
      'none of the newest %,d live events is from the future, and they were stored at most %.1f seconds after they happened',
      events, latest
    )
  end as why
from figures
