/*
title = "What callers without a credential asked for, and what they got"
group = "access"
answers = "One row per kind of call by system:anonymous or the group system:unauthenticated, with how often and from where: what was allowed first, health endpoints last."
cannot_see = "Calls with a credential that was not accepted (see failed-logins). Calls that the audit policy left out, often those to health endpoints."
level = "Metadata"
tags = ["pci-dss:10.2.1.4", "attack:T1190"]
since = "1d"

[columns]
health = "1 for /healthz, /livez and /readyz, which are open by default"
allowed = "1 when the apiserver let the call through"
outcome = "success, denied_authz, not_found, ..."
verb = "verb or HTTP method"
resource = "resource; NULL for other paths"
namespace = "its namespace"
path = "path, when it is no resource"
calls = "how many"
source_ip = "address that no client can forge"
client_ip = "first recorded address, as claimed"
user_agent = "program, as claimed"
user = "who asked"
first_time = "the first"
last_time = "the last"
cluster = "where"
*/
with
-- Where nothing but their ends is recorded of requests, no stages need be put together.
stages as materialized (
  select count(*) > 0 as several from event_counts
  where user = 'system:anonymous'
    and stage not in ('RequestReceived', 'ResponseComplete')
    and cluster match :cluster
    and time >= :since and time < :until
),
anonymous as (
  select
    outcome, verb, resource, namespace, case when resource is null then path end as path,
    events, source_ip, client_ip, user_agent, user, first_time, last_time, cluster
  from event_counts
  where per_request = (select several from stages)
    and user = 'system:anonymous'
    and stage <> 'RequestReceived'
    and cluster match :cluster
    and verb match :verb
    and resource match :resource
    and namespace match :namespace
    and outcome match :outcome
    and source_ips match :source_ip
    and user_agent match :user_agent
    and request_uri match :uri
    and time >= :since and time < :until
  union all
  select
    outcome, verb, resource, namespace, case when resource is null then path end as path,
    events, source_ip, client_ip, user_agent, user, first_time, last_time, cluster
  from event_counts
  where per_request = 1
    and user_groups match 'system:unauthenticated'
    and user is not 'system:anonymous'
    and stage <> 'RequestReceived'
    and cluster match :cluster
    and verb match :verb
    and resource match :resource
    and namespace match :namespace
    and outcome match :outcome
    and source_ips match :source_ip
    and user_agent match :user_agent
    and request_uri match :uri
    and time >= :since and time < :until
)
select
  coalesce(path in ('/healthz', '/livez', '/readyz')
    or path glob '/healthz/*' or path glob '/livez/*' or path glob '/readyz/*', 0) as health,
  outcome not glob 'denied*' as allowed,
  outcome, verb, resource, namespace, path,
  sum(events) as calls,
  source_ip, client_ip, user_agent, user,
  min(first_time) as first_time, max(last_time) as last_time, cluster
from anonymous
group by cluster, outcome, verb, resource, namespace, path, source_ip, client_ip, user_agent, user
order by health, allowed desc, calls desc, last_time desc
