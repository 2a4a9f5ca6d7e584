/*
title = "Which pods and workloads an incident submitted, and what their service accounts did"
group = "incident"
answers = "One row per pod or object with a pod template that an identity created or changed, oldest first: what it may do, as which service account it runs, how often commands were run in it, who removed it, and how much its service account did since."
cannot_see = "What the containers did on their node. Pods below level Request. The service account's calls are those of all its pods, and those of a controller's pods are counted with the template's. A service account that a patch does not name. More than the first 2,000 such requests, and the first 2,000 that ask for rights on the node."
level = "Request"
tags = ["attack:T1610", "attack:T1611"]
one_of = ["user", "source_ip", "resource", "namespace", "name", "audit_id"]
tables = ["incident-events"]

[params.user]
help = "User, as authenticated or as impersonated"

[columns]
time = "when the first such request ended"
user = "who asked"
as_user = "whom they impersonated"
verbs = { json = "what was asked, a JSON array" }
resource = "resource"
namespace = "its namespace"
name = "its name"
pod_security = { json = "what the pods may do: privileged, hostPath:/, ...; a JSON array" }
images = { json = "images of the pods, a JSON array" }
service_account = "user name of the service account that the pods run as"
account_calls = "its calls since the first of its pods here"
account_first = "the first of them"
account_last = "the last of them"
sessions = "exec, attach and port-forward calls to the pod since then that were connected; NULL when it is no pod"
removed_time = "when it was last deleted by name since then"
removed_by = "who asked for that"
cluster = "where"
audit_id = "for auditql show"
*/
with submits as not materialized (
  select
    time, user, impersonated_user, verb, resource, namespace, name, pod_security, images,
    pod_service_account, cluster, audit_id
  from incident_events
  where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
    and user match :user
    and images is not null
    and verb in ('create', 'update', 'patch')
    and outcome = 'success' and dry_run = 0
    and stage in ('ResponseComplete', 'Panic')
  union all
  select
    time, user, impersonated_user, verb, resource, namespace, name, pod_security, images,
    pod_service_account, cluster, audit_id
  from incident_events
  where :user not glob '!*'
    and impersonated_user match :user
    and images is not null
    and verb in ('create', 'update', 'patch')
    and outcome = 'success' and dry_run = 0
    and stage in ('ResponseComplete', 'Panic')
    and id not in (
      select id from events
      where impersonated_user match :user and user match :user
        and time >= :since and time < :until)
), submitting as (
  select * from (select * from submits order by time limit 2000)
  union
  -- However many others there are, these are not hidden among them.
  select * from (
    select * from submits where pod_security is not null order by time limit 2000)
), submitted as materialized (
  select
    min(time) as time, user, impersonated_user, json_group_array(distinct verb) as verbs, resource,
    namespace, name, pod_security, images,
    -- The cast lets a join look it up.
    cast('system:serviceaccount:' || namespace || ':' || pod_service_account as text) as account,
    cluster, audit_id
  from submitting
  group by cluster, resource, namespace, name
), accounts as materialized (
  select cluster as account_cluster, account as account_name, min(time) as since
  from submitted
  where account is not null
  group by cluster, account
), acted as materialized (
  select
    account_cluster, account_name,
    -- The stages of a long call share these; a client may choose the first, but not the second. Of
    -- any other call one stage is left.
    count(distinct iif(
      verb = 'watch' or subresource in ('exec', 'attach', 'portforward', 'proxy', 'log')
        or resource is null and path glob '/debug/pprof/*',
      audit_id || ifnull(received_time, id) || ifnull(resource, ''), id)) as calls,
    min(time) as first, max(time) as last
  from events cross join accounts
    on account_name = user and account_cluster = cluster and time >= accounts.since
  where user in (select account_name from accounts)
    and stage in ('ResponseStarted', 'ResponseComplete', 'Panic')
    and cluster match :cluster
    and time >= :since and time < :until
  group by account_cluster, account_name
), gone as materialized (
  select cluster, resource, namespace, name, user, last_time
  from event_counts
  where name in (select name from submitted)
    and verb = 'delete' and subresource is null
    and outcome = 'success' and dry_run = 0
    and stage in ('ResponseComplete', 'Panic')
    and cluster match :cluster
    and time >= :since and time < :until
), removed as materialized (
  select
    gone.cluster, gone.resource, gone.namespace, gone.name, max(gone.last_time) as time, gone.user
  from gone cross join submitted
    on submitted.cluster = gone.cluster and submitted.resource = gone.resource
      and submitted.namespace is gone.namespace and submitted.name = gone.name
      and gone.last_time >= submitted.time
  group by gone.cluster, gone.resource, gone.namespace, gone.name
), entered as materialized (
  select
    into_pod.cluster, into_pod.namespace, into_pod.name,
    count(distinct into_pod.audit_id || ifnull(received_time, id) || request_uri) as sessions
  from events as into_pod cross join submitted
    on submitted.cluster = into_pod.cluster and submitted.resource = 'pods'
      and submitted.namespace is into_pod.namespace and submitted.name = into_pod.name
      and into_pod.time >= submitted.time
  where into_pod.name in (select name from submitted where resource = 'pods')
    and into_pod.resource = 'pods'
    and into_pod.subresource in ('exec', 'attach', 'portforward')
    and into_pod.outcome in ('success', 'upgraded')
    and into_pod.cluster match :cluster
    and into_pod.time >= :since and into_pod.time < :until
  group by into_pod.cluster, into_pod.namespace, into_pod.name
)
select
  s.time, s.user, s.impersonated_user as as_user, s.verbs, s.resource, s.namespace, s.name,
  s.pod_security, s.images, s.account as service_account, ifnull(acted.calls, 0) as account_calls,
  acted.first as account_first, acted.last as account_last,
  iif(s.resource = 'pods', ifnull(entered.sessions, 0), null) as sessions,
  removed.time as removed_time, removed.user as removed_by, s.cluster, s.audit_id
from submitted as s
left join acted on account_name = s.account and account_cluster = s.cluster
left join removed
  on removed.cluster = s.cluster and removed.resource = s.resource
    and removed.namespace is s.namespace and removed.name = s.name
left join entered
  on s.resource = 'pods' and entered.cluster = s.cluster and entered.namespace is s.namespace
    and entered.name = s.name
order by s.time, s.resource, s.namespace, s.name
