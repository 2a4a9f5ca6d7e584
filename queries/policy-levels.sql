/*
title = "At which levels and stages the audit policy in force records what"
group = "compliance"
answers = "One row per cluster, kind of object and class of verb, the most events first: at which levels its events were recorded and at which stages. This is the policy as its events show it, whatever its file says."
cannot_see = "What the policy leaves out: an event that was not recorded is not there (see policy-unseen). A kind that nobody asked for. Who is recorded at another level than the others: see policy-exceptions."
level = "Metadata"
tags = ["nist-800-53:AU-2", "nist-800-53:AU-12", "cis-kubernetes:3.2.2"]

[columns]
object = "resource with its API group and subresource, as deployments.apps/scale; 'non-resource paths' for the rest"
class = "read (get, list, watch, head), write (create, update, patch, delete, deletecollection), connect (exec, attach, portforward, proxy by any verb) or other"
events = "events recorded, all stages"
lowest = "the lowest level among them"
highest = "the highest one"
metadata = "events at level Metadata: without bodies"
request = "events at level Request: with what was sent"
request_response = "events at level RequestResponse: with what was sent and answered"
received = "events of stage RequestReceived; 0 where the policy omits it"
started = "events of stage ResponseStarted"
complete = "events of stage ResponseComplete"
panic = "events of stage Panic"
succeeded = "events of requests that were answered with success; 0: perhaps there is no such resource"
cluster = "where"
*/
with seen as (
  select
    cluster, level, stage, outcome, events,
    case
      when resource is null then 'non-resource paths'
      else resource || coalesce('.' || api_group, '') || coalesce('/' || subresource, '')
    end as object,
    case
      when subresource in ('exec', 'attach', 'portforward', 'proxy') then 'connect'
      when verb in ('get', 'list', 'watch', 'head') then 'read'
      when verb in ('create', 'update', 'patch', 'delete', 'deletecollection') then 'write'
      else 'other'
    end as class
  from event_counts
  where cluster match :cluster
    and resource match :resource
    and subresource match :subresource
    and verb match :verb
    and user match :user
    and level match :level
    and time >= :since and time < :until
)
select
  object, class, sum(events) as events,
  case min(case level when 'Metadata' then 1 when 'Request' then 2 else 3 end)
    when 1 then 'Metadata' when 2 then 'Request' else 'RequestResponse'
  end as lowest,
  case max(case level when 'Metadata' then 1 when 'Request' then 2 else 3 end)
    when 1 then 'Metadata' when 2 then 'Request' else 'RequestResponse'
  end as highest,
  sum(iif(level = 'Metadata', events, 0)) as metadata,
  sum(iif(level = 'Request', events, 0)) as request,
  sum(iif(level = 'RequestResponse', events, 0)) as request_response,
  sum(iif(stage = 'RequestReceived', events, 0)) as received,
  sum(iif(stage = 'ResponseStarted', events, 0)) as started,
  sum(iif(stage = 'ResponseComplete', events, 0)) as complete,
  sum(iif(stage = 'Panic', events, 0)) as panic,
  sum(iif(outcome in ('success', 'upgraded'), events, 0)) as succeeded,
  cluster
from seen
group by cluster, object, class
order by sum(events) desc, cluster, object, class
