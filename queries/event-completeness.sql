/*
title = "Does every event say who, what, when, from where, on what and how it went"
group = "compliance"
answers = "One row per cluster and detail that audit rules ask for: how many events must have it, how many do, and whether all do. A request that was refused before anybody was authenticated (401) rightly has no user and is not counted for it; an arriving request has no outcome yet; a request by an HTTP method that Kubernetes does not know has an empty verb; and a name is asked for only where one object was read or changed."
cannot_see = "Whether what is recorded is true: the user agent and all addresses but the last are claims of the client. Who stands behind a shared account. What happens inside a container."
level = "Metadata"
tags = ["pci-dss:10.2.2", "nist-800-53:AU-3"]

[columns]
verdict = "met when no event lacks it, not met, or not enough data"
detail = "what is asked for"
field = "columns that hold it"
events = "events that must have it"
present = "of these, with it"
missing = "of these, without it"
share = "present by events, 0 to 1"
excused = "events that rightly lack it, and are not counted"
cluster = "where"
*/
with
details (place, detail, field) as (
  values
    (1, 'who: the user', 'user'),
    (2, 'what: the type of event', 'verb'),
    (3, 'when: date and time', 'time'),
    (4, 'how it went: success or failure', 'code'),
    (5, 'where from: the address', 'source_ip'),
    (6, 'on what: the resource or path', 'resource, path'),
    (7, 'on what: the name of the object', 'name'),
    (8, 'where: the cluster', 'cluster'),
    (9, 'which request: the audit ID', 'audit_id')
),
-- Events by what decides which of the details they must have.
parts as materialized (
  select cluster, stage, sum(events) as events
  from event_counts
  where cluster match :cluster and time >= :since and time < :until
  group by cluster, stage
),
named as materialized (
  select cluster, sum(events) as events
  from event_counts
  where resource is not null
    and verb match 'get,update,patch,delete'
    and outcome = 'success'
    and cluster match :cluster and time >= :since and time < :until
  group by cluster
),
lacking (cluster, place, stage, events) as materialized (
  select cluster, 1, stage, sum(events) from event_counts
  where user is null and cluster match :cluster and time >= :since and time < :until
  group by cluster, stage
  union all
  select cluster, 2, null, sum(events) from event_counts
  where verb is null and cluster match :cluster and time >= :since and time < :until
  group by cluster
  union all
  select cluster, 3, null, sum(events) from event_counts
  where time_quality is not null and cluster match :cluster and time >= :since and time < :until
  group by cluster
  union all
  select cluster, 4, null, sum(events) from event_counts
  where code is null and stage match 'ResponseStarted,ResponseComplete,Panic'
    and cluster match :cluster and time >= :since and time < :until
  group by cluster
  union all
  select cluster, 5, null, sum(events) from event_counts
  where source_ip is null and cluster match :cluster and time >= :since and time < :until
  group by cluster
  union all
  select cluster, 6, null, sum(events) from event_counts
  where resource is null and request_uri is null
    and cluster match :cluster and time >= :since and time < :until
  group by cluster
  union all
  select cluster, 7, null, sum(events) from event_counts
  where name is null and resource is not null
    and verb match 'get,update,patch,delete'
    and outcome = 'success'
    and cluster match :cluster and time >= :since and time < :until
  group by cluster
  union all
  select cluster, 9, null, count(*) from events
  where audit_id is null and cluster match :cluster and time >= :since and time < :until
  group by cluster
  union all
  select cluster, 9, null, count(*) from events
  where audit_id = '' and cluster match :cluster and time >= :since and time < :until
  group by cluster
),
nameless as materialized (
  select cluster, sum(events) as events from event_counts
  where verb = '' and cluster match :cluster and time >= :since and time < :until
  group by cluster
),
counted as (
  select
    clusters.cluster, details.*,
    case place
      when 1 then clusters.events - (
        select coalesce(sum(events), 0) from lacking
        where cluster = clusters.cluster and place = 1 and stage = 'ResponseStarted'
      )
      when 2 then clusters.events - (
        select coalesce(sum(events), 0) from nameless where cluster = clusters.cluster
      )
      when 4 then (
        select coalesce(sum(events), 0) from parts
        where cluster = clusters.cluster and stage <> 'RequestReceived'
      )
      when 7 then (
        select coalesce(sum(events), 0) from named where cluster = clusters.cluster
      )
      else clusters.events
    end as must,
    (
      select coalesce(sum(events), 0) from lacking
      where cluster = clusters.cluster and lacking.place = details.place
        and (details.place <> 1 or stage is not 'ResponseStarted')
    ) as missing,
    clusters.events as everything
  from (select cluster, sum(events) as events from parts group by cluster) as clusters
  cross join details
)
select
  case when must = 0 then 'not enough data' when missing = 0 then 'met' else 'not met' end
    as verdict,
  detail, field, must as events, must - missing as present, missing,
  iif(must = 0, null, round(1.0 * (must - missing) / must, 6)) as share,
  everything - must as excused, cluster
from counted
order by cluster, place
