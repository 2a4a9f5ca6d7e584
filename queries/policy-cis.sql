/*
title = "Does the audit policy record what CIS Kubernetes 3.2.2 asks for, and no more"
group = "compliance"
answers = "One row per cluster and requirement: what must be recorded, at which levels it was, and whether that meets it. Metadata is enough for all of it; bodies of secrets, config maps and tokens are too much, because they hold what must not be in a log. rule is what mends it: put it before the rule that matches now, as the first one that matches wins."
cannot_see = "What the policy leaves out: not enough data means that no such request was recorded, because nobody made one or because the policy drops it. Requests of some users may be left out although those of others are there."
level = "Metadata"
tags = ["cis-kubernetes:3.2.2"]

[columns]
verdict = "met, not met, or not enough data"
requirement = "what is to be recorded"
object = "resource it is about"
class = "read, write or connect"
demanded = "at which levels"
events = "events recorded, all stages"
lowest = "the lowest level among them"
highest = "the highest one"
too_high = "events above what is demanded: their bodies are in the log"
whose = { json = "the five users with the most of these, a JSON array" }
why = "the verdict in words"
rule = "policy rule that mends it, YAML; NULL when nothing is to be mended"
named = "1 when the benchmark names it, 0 when it is there for the same reason"
cluster = "where"
*/
with
wanted (place, requirement, object, class, most, named, grp, resources) as (
  values
    (1, 'Reads of secrets, without their bodies', 'secrets', 'read', 1, 1, '', 'secrets'),
    (2, 'Changes of secrets, without their bodies', 'secrets', 'write', 1, 1, '', 'secrets'),
    (3, 'Reads of config maps, without their bodies', 'configmaps', 'read', 1, 1, '', 'configmaps'),
    (4, 'Changes of config maps, without their bodies', 'configmaps', 'write', 1, 1, '',
      'configmaps'),
    (5, 'Token reviews, without the tokens', 'tokenreviews', 'write', 1, 1,
      'authentication.k8s.io', 'tokenreviews'),
    (6, 'Changes of pods', 'pods', 'write', 3, 1, '', 'pods'),
    (7, 'Changes of deployments', 'deployments', 'write', 3, 1, 'apps', 'deployments'),
    (8, 'Commands run in pods', 'pods/exec', 'connect', 3, 1, '', 'pods/exec'),
    (9, 'Ports forwarded from pods', 'pods/portforward', 'connect', 3, 1, '', 'pods/portforward'),
    (10, 'Requests passed on to pods', 'pods/proxy', 'connect', 3, 1, '', 'pods/proxy'),
    (11, 'Requests passed on to services', 'services/proxy', 'connect', 3, 1, '',
      'services/proxy'),
    (12, 'Service account tokens asked for, without the tokens', 'serviceaccounts/token', 'write',
      1, 0, '', 'serviceaccounts/token')
),
matching as materialized (
  select
    cluster, events,
    case level when 'Metadata' then 1 when 'Request' then 2 else 3 end as rank,
    case
      when api_group is null and resource in ('secrets', 'configmaps') and subresource is null
        and verb in ('get', 'list', 'watch') then resource || ' read'
      when api_group is null and resource in ('secrets', 'configmaps') and subresource is null
        and verb in ('create', 'update', 'patch', 'delete', 'deletecollection')
        then resource || ' write'
      when resource = 'tokenreviews' and verb = 'create' then 'tokenreviews write'
      when api_group is null and resource in ('pods', 'services')
        and subresource in ('exec', 'portforward', 'proxy')
        then resource || '/' || subresource || ' connect'
      when api_group is null and resource = 'serviceaccounts' and subresource = 'token'
        and verb = 'create' then 'serviceaccounts/token write'
      when (api_group is null and resource = 'pods'
          and coalesce(subresource, '') in ('', 'binding', 'ephemeralcontainers', 'eviction', 'resize')
          or api_group = 'apps' and resource = 'deployments'
          and coalesce(subresource, '') in ('', 'scale'))
        and verb in ('create', 'update', 'patch', 'delete', 'deletecollection')
        then resource || ' write'
    end as what
  from event_counts
  where resource in (
      'secrets', 'configmaps', 'tokenreviews', 'pods', 'deployments', 'services', 'serviceaccounts'
    )
    and cluster match :cluster
    and time >= :since and time < :until
),
seen as materialized (
  select
    cluster, what, sum(events) as events, min(rank) as low, max(rank) as high,
    sum(iif(rank > 1, events, 0)) as bodies
  from matching
  where what is not null
  group by cluster, what
),
bodies as materialized (
  select
    cluster, resource || coalesce('/' || subresource, '') || ' read' as what, top_users
  from event_counts
  where verb match 'get,list,watch'
    and resource in ('secrets', 'configmaps', 'tokenreviews', 'serviceaccounts')
    and level match 'Request,RequestResponse'
    and cluster match :cluster
    and time >= :since and time < :until
  union all
  select cluster, resource || coalesce('/' || subresource, '') || ' write', top_users
  from event_counts
  where verb match '!get,!list,!watch'
    and resource in ('secrets', 'configmaps', 'tokenreviews', 'serviceaccounts')
    and level match 'Request,RequestResponse'
    and cluster match :cluster
    and time >= :since and time < :until
),
clusters as materialized (
  select cluster from event_counts
  where cluster match :cluster and time >= :since and time < :until
  group by cluster
),
graded as (
  select
    clusters.cluster, wanted.*, coalesce(seen.events, 0) as events, low, high,
    iif(most = 1, coalesce(seen.bodies, 0), 0) as too_high, what
  from clusters cross join wanted
  left join seen on seen.cluster = clusters.cluster and what = object || ' ' || class
)
select
  case
    when events = 0 then 'not enough data' when too_high > 0 then 'not met' else 'met'
  end as verdict,
  requirement, object, class,
  iif(most = 1, 'Metadata', 'Metadata or more') as demanded, events,
  case low when 1 then 'Metadata' when 2 then 'Request' when 3 then 'RequestResponse' end as lowest,
  case high when 1 then 'Metadata' when 2 then 'Request' when 3 then 'RequestResponse' end
    as highest,
  too_high,
  iif(too_high > 0, (
    select top_users from bodies
    where bodies.cluster = graded.cluster and bodies.what = graded.what
  ), null) as whose,
  case
    when events = 0 then 'no such request was recorded: nobody made one, or the policy drops it'
    when too_high > 0 then format(
      '%,d of %,d events were recorded at a level that keeps bodies', too_high, events
    )
    when low = high then format('all %,d events were recorded as demanded', events)
    else format('all %,d events were recorded as demanded, though at different levels', events)
  end as why,
  iif(events = 0 or too_high > 0,
    '- level: Metadata' || iif(class = 'write' and object in ('pods', 'deployments'),
      char(10) || '  verbs: ["create", "update", "patch", "delete", "deletecollection"]', '')
    || char(10) || '  resources: [{group: "' || grp || '", resources: ["' || resources || '"]}]',
    null) as rule,
  named, cluster
from graded
order by cluster, place
