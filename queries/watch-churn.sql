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
select
  user, resource, watches, short_watches, failed_watches, lists,
  round(mean_watch_us / 1e6, 3) as mean_seconds, last_time as last, cluster
from event_counts
where verb match 'watch,list'
  and stage match 'ResponseComplete,Panic'
  and cluster match :cluster
  and user match :user
  and user_agent match :user_agent
  and resource match :resource
  and namespace match :namespace
  and short_us = :shorter_than
  and broken_watches > 0
  and time >= :since and time < :until
order by broken_watches desc, lists desc, user, resource, cluster
