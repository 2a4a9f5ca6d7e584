/*
title = "What an audit log usually holds and this one never showed"
group = "compliance"
answers = "One row per cluster and thing that a cluster in use does: how often it was recorded. Never seen means: nobody did it, or the audit policy drops it (level None, or omitStages); sign says what speaks for the policy."
cannot_see = "Which of the two it is, where sign is NULL: only the policy's file can tell. Events that are dropped for some users only."
level = "Metadata"
tags = ["nist-800-53:AU-2", "nist-800-53:AU-12", "cis-kubernetes:3.2.2"]

[columns]
seen = "seen, or never seen"
what = "what is looked for"
events = "how often it was recorded, all stages; requests with 401 or 403 once, where their ends are recorded"
matters = "what is missed without it"
sign = "what speaks for it that the policy drops it; NULL when nothing does, or it was seen"
cluster = "where"
*/
with
wanted (place, key, what, matters) as (
  values
    (1, 'stage RequestReceived', 'requests as they arrive (RequestReceived)',
      'requests that never got an answer'),
    (2, 'stage ResponseStarted', 'beginnings of long-running requests (ResponseStarted)',
      'failed logins, and sessions that are still open'),
    (3, 'stage ResponseComplete', 'answers (ResponseComplete)', 'how requests ended'),
    (4, 'code 401', 'requests whose credential was not accepted (401)', 'failed logins'),
    (5, 'code 403', 'requests that were forbidden (403)', 'attempts to go further'),
    (6, 'read', 'reads of objects (get, list, watch)', 'who saw what'),
    (7, 'write', 'changes of objects', 'who changed what'),
    (8, 'secrets', 'secrets', 'access to credentials'),
    (9, 'configmaps', 'configmaps', 'access to settings'),
    (10, 'serviceaccounts/token', 'serviceaccounts/token', 'tokens that were minted'),
    (11, 'tokenreviews', 'tokenreviews', 'tokens checked by others than the apiserver'),
    (12, 'subjectaccessreviews', 'subjectaccessreviews',
      'rights checked by others than the apiserver'),
    (13, 'pods/exec', 'pods/exec', 'commands run in containers'),
    (14, 'pods/attach', 'pods/attach', 'terminals attached to containers'),
    (15, 'pods/portforward', 'pods/portforward', 'tunnels into pods'),
    (16, 'pods/log', 'pods/log', 'what containers wrote, read by whom'),
    (17, 'pods/ephemeralcontainers', 'pods/ephemeralcontainers', 'debug containers'),
    (18, 'pods/proxy', 'pods/proxy', 'requests passed on to pods'),
    (19, 'services/proxy', 'services/proxy', 'requests passed on to services'),
    (20, 'nodes/proxy', 'nodes/proxy', 'requests to the kubelet with the rights of the apiserver'),
    (21, 'roles', 'roles and cluster roles', 'what rights are there'),
    (22, 'bindings', 'role bindings and cluster role bindings', 'who was given rights'),
    (23, 'serviceaccounts', 'serviceaccounts', 'identities of workloads'),
    (24, 'certificatesigningrequests', 'certificatesigningrequests', 'client certificates'),
    (25, 'webhooks', 'admission webhooks and policies', 'what stands in the way of changes'),
    (26, 'customresourcedefinitions', 'customresourcedefinitions', 'new kinds of objects'),
    (27, 'nodes', 'nodes', 'machines that join and leave'),
    (28, 'namespaces', 'namespaces', 'namespaces that come and go'),
    (29, 'events', 'events (the Kubernetes kind)', 'little: these are messages of controllers'),
    (30, 'scheduler lease', 'leases of kube-scheduler (get, update)', 'little: it renews them'),
    (31, 'manager lease', 'leases of kube-controller-manager (get, update)',
      'little: it renews them'),
    (32, 'node lease', 'leases of nodes (update)', 'little: heartbeats'),
    (33, 'path openapi', 'URLs /openapi and /swagger', 'who explores the API'),
    (34, 'path discovery', 'URLs /api, /apis and /version', 'who explores the API'),
    (35, 'path health', 'URLs /healthz, /livez and /readyz', 'little: probes'),
    (36, 'path logs', 'URL /logs', 'log files of the control plane, its audit log among them')
),
clusters as materialized (
  select cluster from event_counts
  where cluster match :cluster and time >= :since and time < :until
  group by cluster
),
kinds as materialized (
  select cluster, api_group, resource, subresource, verb, sum(events) as events
  from event_counts
  where resource is not null and cluster match :cluster and time >= :since and time < :until
  group by cluster, api_group, resource, subresource, verb
),
seen (cluster, key, events) as materialized (
  select cluster, 'stage ' || stage, sum(events)
  from event_counts
  where cluster match :cluster and time >= :since and time < :until
  group by cluster, stage
  union all
  -- A refused watch or session has two events. A policy may drop the one that ends it.
  select cluster, 'code ' || code, coalesce(
      nullif(sum(iif(outcome = 'denied_authn' or stage in ('ResponseComplete', 'Panic'), events, 0)), 0),
      sum(events))
  from event_counts
  where code in (401, 403)
    and cluster match :cluster and time >= :since and time < :until
  group by cluster, code
  union all
  select cluster,
    case
      when verb in ('get', 'list', 'watch') then 'read'
      when verb in ('create', 'update', 'patch', 'delete', 'deletecollection') then 'write'
    end as class, sum(events)
  from kinds
  group by cluster, class
  union all
  select cluster,
    case
      when resource in ('roles', 'clusterroles') then 'roles'
      when resource in ('rolebindings', 'clusterrolebindings') then 'bindings'
      when api_group = 'admissionregistration.k8s.io' then 'webhooks'
      when resource in ('pods', 'nodes', 'services') or subresource = 'token'
        then resource || coalesce('/' || subresource, '')
      else resource
    end as kind, sum(events)
  from kinds
  where coalesce(api_group, 'k8s.io') glob '*k8s.io' and api_group is not 'metrics.k8s.io'
  group by cluster, kind
  union all
  select cluster,
    case
      when user = 'system:kube-scheduler' then 'scheduler lease'
      when user = 'system:kube-controller-manager' then 'manager lease'
      when verb = 'update' then 'node lease'
    end as holder, sum(events)
  from event_counts
  where resource = 'leases'
    and verb match 'get,update'
    and user match 'system:kube-scheduler,system:kube-controller-manager,system:node:*'
    and cluster match :cluster and time >= :since and time < :until
  group by cluster, holder
  union all
  select cluster, 'path openapi', sum(events)
  from event_counts
  where resource is null and path match '/openapi*,/swagger*'
    and cluster match :cluster and time >= :since and time < :until
  group by cluster
  union all
  select cluster, 'path logs', sum(events)
  from event_counts
  where resource is null and path match '/logs,/logs/*'
    and cluster match :cluster and time >= :since and time < :until
  group by cluster
  union all
  select cluster, 'path health', sum(events)
  from event_counts
  where resource is null and path match '/healthz*,/livez*,/readyz*'
    and cluster match :cluster and time >= :since and time < :until
  group by cluster
  union all
  select cluster, 'path discovery', sum(events)
  from event_counts
  where resource is null and path match '/api,/api/*,/apis,/apis/*,/version*'
    and cluster match :cluster and time >= :since and time < :until
  group by cluster
),
running as materialized (
  select cluster, user, sum(events) as events
  from event_counts
  where user in ('system:kube-scheduler', 'system:kube-controller-manager')
    and cluster match :cluster and time >= :since and time < :until
  group by cluster, user
),
found as (
  select clusters.cluster, wanted.*, coalesce(sum(seen.events), 0) as events
  from clusters cross join wanted
  left join seen on seen.cluster = clusters.cluster and seen.key = wanted.key
  group by clusters.cluster, place
)
select
  iif(events > 0, 'seen', 'never seen') as seen, what, events, matters,
  case
    when events > 0 then null
    when key in ('scheduler lease', 'manager lease') then (
      select user || ' runs: ' || format('%,d', running.events) || ' other events of it'
      from running
      where running.cluster = found.cluster and user = case key
        when 'scheduler lease' then 'system:kube-scheduler' else 'system:kube-controller-manager' end
    )
    when key = 'path openapi' then (
      select 'clients explore the API: ' || format('%,d', seen.events)
        || ' events about /api, /apis and /version'
      from seen where seen.cluster = found.cluster and seen.key = 'path discovery'
    )
    when key = 'node lease' then (
      select 'nodes are at work: ' || format('%,d', seen.events) || ' events about nodes'
      from seen where seen.cluster = found.cluster and seen.key = 'nodes'
    )
    when key = 'stage RequestReceived' then (
      select 'there are answers: ' || format('%,d', seen.events)
      from seen where seen.cluster = found.cluster and seen.key = 'stage ResponseComplete'
    )
  end as sign,
  cluster
from found
order by events > 0, cluster, place
