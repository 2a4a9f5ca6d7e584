/*
title = "Sources that were silent, and since when"
group = "data-quality"
answers = "One row per time in which nothing came in from a cluster and source for longer than longer_than, those that are still silent first. An apiserver under a usual audit policy sends at least every 30 seconds."
cannot_see = "What was not sent: events that the apiserver dropped or that its policy leaves out. Sources that never sent anything. Of what has been sealed, arrivals are kept by the minute, so a gap may be up to a minute longer than shown. It goes by when events came in, not by when they happened."
level = "Metadata"

[params]
cluster = { type = "text", help = "Cluster, or the words of a filter; * stands for any run of characters" }
source = { type = "text", default = "webhook", help = "How events came in: webhook, file; * stands for any run of characters" }
longer_than = { type = "duration", default = "10m", help = "Least length of a silence" }

[columns]
cluster = "from where"
source = "how it came in"
still = "1 when it is silent until now, or until --until"
silent_from = "when something last came in"
silent_until = "when something came in again; NULL when still silent"
seconds = "how long it was silent"
events_before = "events that came in last"
*/
with
arrivals as (
  select
    cluster, source, stored_time, events + duplicates + quarantined as items,
    lead(stored_time) over (partition by cluster, source order by stored_time) as next
  from ingest_log
  where (
      :cluster is null or cluster glob :cluster
      or cluster in (select cluster from event_counts where cluster match :cluster group by cluster)
    )
    and (:source is null or source glob :source)
    and stored_time >= :since and stored_time < :until
),
gaps as (
  select
    cluster, source, next is null as still, stored_time as silent_from, next as silent_until,
    unixepoch(coalesce(next, min(:until, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))), 'subsec')
      - unixepoch(stored_time, 'subsec') as seconds,
    items as events_before
  from arrivals
)
select cluster, source, still, silent_from, silent_until, round(seconds, 3) as seconds, events_before
from gaps
where seconds * 1000000 >= :longer_than
order by still desc, silent_from desc, cluster, source
