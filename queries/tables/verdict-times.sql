/*
rows = "The verdict on whether times map to UTC and are fine enough to put events in order. A time without an offset from UTC is not understood: its event is in quarantine."
*/
with figures as (
  select
    (select coalesce(sum(events), 0) from event_counts
      where cluster match :cluster and time >= :since and time < :until) as events,
    (select count(*) from events
      where time_quality is not null
        and cluster match :cluster and time >= :since and time < :until) as untimed,
    count(*) as looked, coalesce(sum(substr(time, 24, 3) <> '000'), 0) as fine
  from (
    select time from events
    where cluster match :cluster and time >= :since and time < :until
    order by time desc
    limit 1000
  )
)
select
  case
    when events = 0 then 'not enough data'
    when untimed > 0 then 'not met'
    when fine * 2 > looked then 'met'
    else 'not enough data'
  end as verdict,
  case
    when events = 0 then 'no event in the time range'
    when untimed > 0 then format(
      'of %,d events %,d have no time of their own', events, untimed)
    when fine * 2 > looked then format(
      'all %,d events have a time with its offset from UTC; of the newest %,d the times of %,d are finer than a millisecond',
      events, looked, fine)
    else format(
      'all %,d events have a time with its offset from UTC, but of the newest %,d the times of only %,d are finer than a millisecond: whether that is fine enough, your policy must say',
      events, looked, fine)
  end as why
from figures
