/*
rows = "The verdict on whether the store holds events of each of the last :days days."
*/
with
bounds as materialized (
  select unixepoch(min(:until, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))) as ends
),
hours as materialized (
  select cluster, unixepoch(hour) as at
  from event_counts
  where cluster match :cluster and time < :until
  group by cluster, hour
),
oldest as materialized (
  select cluster, unixepoch(min(first_time), 'subsec') as began
  from event_counts
  where cluster match :cluster and time < :until
  group by cluster
),
gone as materialized (
  select max(newest) as newest from pruned
),
held as (
  select
    cluster, (ends - began) / 86400.0 as days,
    -- Where retention removed what is older, no event needs to be as old as the first day's beginning.
    ends - began >= 86400 * iif(gone.newest is null, :days, :days - 1) as reaches,
    min(:days, (ends - min(at) + 86399) / 86400) - count(distinct
      (at - ends + 86400 * :days) / 86400
    ) filter (where at >= ends - 86400 * :days and at < ends) as without
  from hours join oldest using (cluster) cross join bounds cross join gone
  group by cluster
),
worst as (
  select count(*) as clusters, min(days) as days, max(without) as without,
    min(reaches) as reaches, (select newest from gone) as gone, ends
  from bounds left join held
)
select
  case
    when unixepoch(gone) >= ends - 86400 * :days then 'not met'
    when :days < 1 or clusters = 0 or days is null or not reaches or without > 0
      then 'not enough data'
    else 'met'
  end as verdict,
  case
    when unixepoch(gone) >= ends - 86400 * :days then format(
      'retention removed events up to %s, although %d days are demanded', substr(gone, 1, 10), :days
    )
    when :days < 1 then 'no day is demanded; give --days 1 or more'
    when days is null then 'the store holds no event from before the end of the time range'
    when not reaches then format(
      'the store reaches back %.1f days, %d are demanded: %s', days, :days,
      iif(gone is null, 'it is too young to show it',
        format('of older ones retention removed events, up to %s', substr(gone, 1, 10)))
    )
    when without > 0 then format('on %d of the last %d days there is no event', without, :days)
    else format('there are events on each of the last %d days, all of which can be asked at once',
      :days)
  end as why
from worst
