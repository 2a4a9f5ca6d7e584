/*
title = "How far back the store reaches, and whether that is far enough"
group = "compliance"
answers = "One row per cluster: its oldest and newest hour, how many days lie between, on how many of the days demanded there are events, and whether that is what is demanded. Everything that the store holds can be asked at once. The range of the question is not that of --since: it looks back from --until by days."
cannot_see = "Backups and copies elsewhere, and what would happen to the disk. Whether events were lost before they came here. A retention rule for the future: only that nothing of the demanded time was pruned."
level = "Metadata"
tags = ["pci-dss:10.5.1", "nist-800-53:AU-11"]

[params]
days = { type = "int", default = 365, help = "Days that must be kept" }

[columns]
verdict = "met when the demanded days are all there, not met when retention removed some, else not enough data"
cluster = "where"
demanded_days = "days that must be kept"
held_days = "days from the oldest event to the end"
oldest_hour = "the first hour with events"
newest_hour = "the last one"
days_with_events = "of the demanded days, those with events"
days_without = "of the demanded days since the oldest hour, those without any event"
events = "events of the demanded days"
pruned_events = "events that retention removed, of all clusters"
pruned_before = "up to when it removed events"
why = "the verdict in words"
*/
with
bounds as materialized (
  select
    unixepoch(min(:until, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))) as ends,
    unixepoch(min(:until, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))) - 86400 * :days as begins
),
hours as materialized (
  select cluster, hour, unixepoch(hour) as at, sum(events) as events
  from event_counts
  where cluster match :cluster and time < :until
  group by cluster, hour
),
removed as materialized (
  select coalesce(sum(events), 0) as events, max(before) as before, max(newest) as newest
  from pruned
),
oldest as materialized (
  select cluster, unixepoch(min(first_time), 'subsec') as began
  from event_counts
  where cluster match :cluster and time < :until
  group by cluster
),
held as (
  select
    cluster, min(hour) as oldest_hour, max(hour) as newest_hour,
    (ends - began) / 86400.0 as held_days,
    -- Where retention removed what is older, no event needs to be as old as the first day's beginning.
    ends - began >= 86400 * iif(removed.newest is null, :days, :days - 1) as reaches,
    count(distinct (at - begins) / 86400) filter (where at >= begins and at < ends) as with_events,
    min(:days, (ends - min(at) + 86399) / 86400) as spanned,
    coalesce(sum(hours.events) filter (where at >= begins), 0) as events, begins
  from hours join oldest using (cluster) cross join bounds cross join removed
  group by cluster
)
select
  case
    when unixepoch(removed.newest) >= begins then 'not met'
    when not reaches or with_events < spanned then 'not enough data'
    else 'met'
  end as verdict,
  cluster, :days as demanded_days, round(held_days, 1) as held_days, oldest_hour, newest_hour,
  with_events as days_with_events, max(0, spanned - with_events) as days_without, held.events,
  removed.events as pruned_events, removed.before as pruned_before,
  case
    when unixepoch(removed.newest) >= begins then format(
      'retention removed events up to %s, which are among the last %d days',
      substr(removed.newest, 1, 10), :days
    )
    when not reaches then format(
      'the oldest event is %.1f days old; %d days are demanded and cannot be shown%s',
      held_days, :days, iif(removed.newest is null, ' yet',
        format('; retention removed older ones, up to %s', substr(removed.newest, 1, 10)))
    )
    when with_events < spanned then format(
      '%d of the last %d days have no event: nothing happened, or it did not come here',
      spanned - with_events, :days
    )
    else format('events on each of the last %d days, and nothing of them was pruned', :days)
  end as why
from held, removed
order by cluster
