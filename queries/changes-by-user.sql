/*
title = "Who changed how much"
group = "compliance"
answers = "One row per user and cluster, the most changes first: how many creations, changes and deletions of objects succeeded, and how many were refused or failed."
cannot_see = "What was changed (actions-by-actor counts by kind of object, workload-changes and others list the requests), and whom the user impersonated. Dry runs count as if they had changed something. Calls that the audit policy left out."
level = "Metadata"
tags = ["nist-800-53:AU-6"]

[columns]
user = "who asked; NULL when nobody was authenticated"
changes = "changes that succeeded"
created = "of these, by create"
changed = "of these, by update or patch"
deleted = "of these, by delete or deletecollection"
refused = "changes that were refused: forbidden, or denied by admission"
failed = "changes that ended otherwise: not found, conflict, error, ..."
cluster = "where"
*/
with ended as (
  select cluster, user, verb, events as done, 0 as refused, 0 as failed
  from event_counts
  where verb in ('create', 'update', 'patch', 'delete', 'deletecollection')
    and outcome = 'success'
    and stage match 'ResponseComplete,Panic'
    and cluster match :cluster
    and user match :user
    and time >= :since and time < :until
  union all
  select cluster, user, null, 0, events, 0
  from event_counts
  where verb match 'create,update,patch,delete,deletecollection'
    and outcome match 'denied_*'
    and stage match 'ResponseComplete,Panic'
    and cluster match :cluster
    and user match :user
    and time >= :since and time < :until
  union all
  select cluster, user, null, 0, 0, events
  from event_counts
  where verb match 'create,update,patch,delete,deletecollection'
    and outcome is not null and outcome match '!success,!denied_*'
    and stage match 'ResponseComplete,Panic'
    and cluster match :cluster
    and user match :user
    and time >= :since and time < :until
)
select
  user, sum(done) as changes,
  sum(iif(verb = 'create', done, 0)) as created,
  sum(iif(verb in ('update', 'patch'), done, 0)) as changed,
  sum(iif(verb in ('delete', 'deletecollection'), done, 0)) as deleted,
  sum(refused) as refused, sum(failed) as failed, cluster
from ended
group by cluster, user
order by changes desc, refused desc, user, cluster
