/*
title = "What came in and could not be understood as an event"
group = "data-quality"
answers = "One row per quarantined item with why and where it came from, newest first; its bytes are kept (auditql quarantine export)."
cannot_see = "When the events in it happened: since and until go by when the item came in. Batches that never reached this store."
level = "Metadata"

[params]
cluster = { type = "text", help = "Cluster, or the words of a filter; * stands for any run of characters" }
source = { type = "text", help = "How it came in: webhook, file; * stands for any run of characters" }

[columns]
stored_time = "when it came in"
cluster = "from where"
source = "how it came in"
origin = "file and line, or the request"
reason = "why it could not be understood"
bytes = "its length"
duplicates = "how often the same bytes came again"
id = "for auditql quarantine export --id"
*/
select stored_time, cluster, source, origin, reason, bytes, duplicates, id
from quarantine
where (
    :cluster is null or cluster glob :cluster
    or cluster in (select cluster from event_counts where cluster match :cluster group by cluster)
  )
  and (:source is null or source glob :source)
  and stored_time >= :since and stored_time < :until
order by stored_time desc, id desc
