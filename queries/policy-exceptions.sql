/*
title = "Where the audit level depends on who asks, or changed"
group = "compliance"
answers = "For kinds of objects and verbs whose events have more than one level, one row per level: how many events, whose, and in which hours. Levels that follow each other in time are a changed policy; levels side by side are rules for some users or groups."
cannot_see = "Users whose requests are not recorded at all. Why: rules may go by user, group, namespace or verb. Requests without a user are refused ones (401)."
level = "Metadata"
tags = ["nist-800-53:AU-12", "cis-kubernetes:3.2.2"]

[columns]
object = "resource with its API group and subresource, as deployments.apps/scale"
verb = "what was asked"
level = "level of these events"
events = "how many"
users = "how many different users"
top_users = { json = "the five users with the most of these events, a JSON array" }
first_hour = "hour of the first of them"
last_hour = "hour of the last"
cluster = "where"
*/
with
mixed as materialized (
  select
    row_number() over () as kind, cluster, api_group, resource, subresource, verb
  from event_counts
  where resource is not null
    and cluster match :cluster
    and resource match :resource
    and verb match :verb
    and time >= :since and time < :until
  group by cluster, api_group, resource, subresource, verb
  having count(distinct level) > 1
),
leveled as (
  select
    kind, level, events, users, top_users, first_time, last_time
  from event_counts as counted cross join mixed
    on counted.resource = mixed.resource and counted.verb = mixed.verb
      and counted.cluster = mixed.cluster and counted.api_group is mixed.api_group
      and counted.subresource is mixed.subresource
  where counted.resource in (select resource from mixed)
    and counted.verb in (select verb from mixed)
    and counted.cluster match :cluster
    and counted.time >= :since and counted.time < :until
)
select
  resource || coalesce('.' || api_group, '') || coalesce('/' || subresource, '') as object,
  verb, level, events, users, top_users,
  substr(first_time, 1, 13) || ':00:00.000000Z' as first_hour,
  substr(last_time, 1, 13) || ':00:00.000000Z' as last_hour, cluster
from leveled join mixed using (kind)
order by cluster, object, verb, events desc, level
