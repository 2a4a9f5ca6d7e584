/*
rows = "The verdict on whether each event says who, what, when, how it ended, from where and on what."
*/
with lacking (what, events) as (
  select 'user', sum(events) from event_counts
  where user is null and stage <> 'ResponseStarted'
    and cluster match :cluster and time >= :since and time < :until
  union all
  select 'type', sum(events) from event_counts
  where verb is null and cluster match :cluster and time >= :since and time < :until
  union all
  select 'outcome', sum(events) from event_counts
  where code is null and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster and time >= :since and time < :until
  union all
  select 'time', count(*) from events
  where time_quality is not null
    and cluster match :cluster and time >= :since and time < :until
  union all
  select 'address', count(*) from events
  where source_ip is null and cluster match :cluster and time >= :since and time < :until
  union all
  select 'object', count(*) from events
  where resource is null and request_uri is null
    and cluster match :cluster and time >= :since and time < :until
),
figures as (
  select
    (select coalesce(sum(events), 0) from event_counts
      where cluster match :cluster and time >= :since and time < :until) as events,
    -- By an HTTP method that Kubernetes does not know.
    (select coalesce(sum(events), 0) from event_counts
      where verb = '' and cluster match :cluster and time >= :since and time < :until) as odd,
    coalesce(sum(events), 0) as missing,
    group_concat(what || ' in ' || format('%,d', events), ', ') filter (where events > 0) as which
  from lacking
)
select
  case when events = 0 then 'not enough data' when missing = 0 then 'met' else 'not met' end
    as verdict,
  case
    when events = 0 then 'no event in the time range'
    when missing = 0 then format(
      'all %,d events have user (but for requests refused before anybody was known), type%s, time, outcome, address and object',
      events, iif(odd = 0, '', format(' (but for %,d by HTTP methods that Kubernetes does not know)', odd))
    )
    else format('of %,d events some lack details: %s', events, which)
  end as why
from figures
