/*
title = "Who causes the most audit events and bytes"
group = "operations"
answers = "One row per user, most bytes first: what to look at when the log grows. All stages count, because each is stored."
cannot_see = "Events that the audit policy left out: they cost nothing here, and may still load the apiserver."
level = "Metadata"
tags = []
since = "1d"

[columns]
user = "who asked"
events = "how many events"
raw_bytes = "their length as received, in bytes"
mean_bytes = "mean length of one, in bytes"
share = "their part of all these bytes, 0 to 1"
first = "time of the first event"
last = "time of the last one"
*/
select
  user, sum(events) as events, sum(raw_bytes) as raw_bytes,
  cast(round(1.0 * sum(raw_bytes) / sum(events)) as integer) as mean_bytes,
  round(sum(raw_bytes) * 1.0 / sum(sum(raw_bytes)) over (), 4) as share,
  min(first_time) as first, max(last_time) as last
from event_counts
where cluster match :cluster
  and user match :user
  and verb match :verb
  and resource match :resource
  and namespace match :namespace
  and time >= :since and time < :until
group by user
order by sum(raw_bytes) desc
