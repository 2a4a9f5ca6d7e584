/*
title = "Does the audit policy record everything at RequestResponse, as the DISA STIG asks"
group = "compliance"
answers = "One row per cluster, kind of object and class of verb, what falls short first and the most events first: at which levels it was recorded, which share at RequestResponse, and whether that meets the STIG's rule for all. rule is what mends a row: put it before the rule that matches now. conflict says where CIS 3.2.2 asks for the opposite."
cannot_see = "What the policy leaves out, and kinds that nobody asked for. Which users are recorded at which level: see policy-exceptions. Flags of the apiserver."
level = "Metadata"
tags = ["stig-kubernetes:CNTR-K8-000700"]

[columns]
verdict = "met when every event is at RequestResponse, else not met"
object = "resource with its API group and subresource, as deployments.apps/scale; 'non-resource paths' for the rest"
class = "read (get, list, watch, head), write (create, update, patch, delete, deletecollection), connect (exec, attach, portforward, proxy by any verb) or other"
events = "events recorded, all stages"
lowest = "the lowest level among them"
highest = "the highest one"
too_low = "events below RequestResponse"
share = "part at RequestResponse, 0 to 1"
conflict = "what CIS 3.2.2 says to this, if it asks for the opposite"
rule = "policy rule that mends it, YAML; NULL when nothing is to be mended"
cluster = "where"
*/
with
seen as (
  select
    cluster, resource, api_group, subresource, events,
    case level when 'Metadata' then 1 when 'Request' then 2 else 3 end as rank,
    case
      when subresource in ('exec', 'attach', 'portforward', 'proxy') then 'connect'
      when verb in ('get', 'list', 'watch', 'head') then 'read'
      when verb in ('create', 'update', 'patch', 'delete', 'deletecollection') then 'write'
      else 'other'
    end as class
  from event_counts
  where cluster match :cluster
    and resource match :resource
    and verb match :verb
    and user match :user
    and time >= :since and time < :until
),
graded as (
  select
    cluster, resource, api_group, subresource, class, sum(events) as events,
    min(rank) as low, max(rank) as high, sum(iif(rank < 3, events, 0)) as too_low
  from seen
  group by cluster, resource, api_group, subresource, class
)
select
  iif(too_low = 0, 'met', 'not met') as verdict,
  case
    when resource is null then 'non-resource paths'
    else resource || coalesce('.' || api_group, '') || coalesce('/' || subresource, '')
  end as object,
  class, events,
  case low when 1 then 'Metadata' when 2 then 'Request' else 'RequestResponse' end as lowest,
  case high when 1 then 'Metadata' when 2 then 'Request' else 'RequestResponse' end as highest,
  too_low, round(1.0 * (events - too_low) / events, 4) as share,
  case
    when api_group is null and resource in ('secrets', 'configmaps') and subresource is null
      or resource = 'tokenreviews'
      then 'CIS 3.2.2: Metadata and not more, because bodies hold secrets'
    when api_group is null and resource = 'serviceaccounts' and subresource = 'token'
      then 'the reason of CIS 3.2.2 holds here too: the answer is a token'
  end as conflict,
  iif(too_low > 0,
    '- level: RequestResponse'
    -- A JSON text is a YAML scalar, whatever a client asked for.
    || case
      when resource is null then ''
      when class = 'read' then char(10) || '  verbs: ["get", "list", "watch"]'
      when class = 'write' then char(10)
        || '  verbs: ["create", "update", "patch", "delete", "deletecollection"]'
      else ''
    end
    || char(10) || iif(resource is null, '  nonResourceURLs: ["*"]',
      '  resources: [{group: ' || json_quote(coalesce(api_group, '')) || ', resources: ['
      || json_quote(resource || coalesce('/' || subresource, '')) || ']}]'),
    null) as rule,
  cluster
from graded
order by too_low > 0 desc, events desc, cluster, object, class
