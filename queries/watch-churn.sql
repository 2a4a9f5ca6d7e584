/*
title = "Whose watches break off, and who lists all over again"
group = "operations"
answers = "One row per user and resource with watches that ended within --shorter-than, most such watches first, beside the lists by the same user: a client that cannot keep its watch lists again, which costs the apiserver the most."
cannot_see = "Watches that are still open. Why a watch ended: the server ends each after some minutes, clients and proxies when they like. Calls that the audit policy left out."
level = "Metadata"
tags = []
since = "1d"

[params]
shorter_than = { type = "duration", default = "1m", help = "Watches that end sooner are short" }

[columns]
user = "who asked"
resource = "resource"
watches = "watches that ended"
short_watches = "of these within --shorter-than"
failed_watches = "of these answered with 4xx or 5xx"
lists = "lists that ended"
mean_seconds = "mean duration of the watches"
last = "when the last watch or list ended"
cluster = "where"
*/
with churned as (
  select
    user, resource, cluster, events as watches, 0 as short, errors as failed, 0 as lists,
    mean_latency_us, last_time
  from event_counts
  where verb = 'watch'
    and stage match 'ResponseComplete,Panic'
    and cluster match :cluster
    and user match :user
    and user_agent match :user_agent
    and resource match :resource
    and namespace match :namespace
    and time >= :since and time < :until
  union all
  select user, resource, cluster, 0, answered - errors, 0, 0, null, null
  from event_counts
  where verb = 'watch' and latency_us < :shorter_than
    and stage match 'ResponseComplete,Panic'
    and cluster match :cluster
    and user match :user
    and user_agent match :user_agent
    and resource match :resource
    and namespace match :namespace
    and time >= :since and time < :until
  union all
  select user, resource, cluster, 0, 0, 0, events, null, last_time
  from event_counts
  where verb = 'list'
    and stage match 'ResponseComplete,Panic'
    and cluster match :cluster
    and user match :user
    and user_agent match :user_agent
    and resource match :resource
    and namespace match :namespace
    and time >= :since and time < :until
)
select
  user, resource,
  sum(watches) as watches,
  sum(short) as short_watches,
  sum(failed) as failed_watches,
  sum(lists) as lists,
  round(max(mean_latency_us) / 1e6, 3) as mean_seconds,
  max(last_time) as last, cluster
from churned
group by user, resource, cluster
having short_watches + failed_watches > 0
order by short_watches + failed_watches desc, sum(lists) desc
