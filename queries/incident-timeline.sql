/*
title = "What happened, step by step"
group = "incident"
answers = "One row per request by an identity, in its name, from an address or on an object, oldest first, with what was asked and what came of it in words. With --resource and --name also every deletecollection of the resource and namespace, and of secrets every list and watch; with --resource secrets and -n also those of all namespaces."
cannot_see = "Whether a collection held the object: compare the selector in request_uri. Deletions of its owner or namespace (why-deleted), and what shows it as a part of others. What happened inside a session or a pod. Attempts to impersonate the user that were refused: those are their own caller's. Requests by other identities that the same hands used: see incident-followed. More than the first 20,000 requests. The rest of texts of more than 1,000 to 4,000 letters, which end in '...' (auditql show has all). Calls that the audit policy left out."
level = "Metadata"
tags = ["attack:T1078"]
one_of = ["user", "source_ip", "resource", "namespace", "name", "audit_id"]
tables = ["incident-nameless", "incident-steps"]
most = 20000

[params.user]
help = "User, as authenticated or as impersonated"

[params.notable]
type = "flag"
help = "Leave out successful reads of anything but secrets, and questions about one's own rights"
default = false

[columns]
time = "when the request arrived"
user = "who asked; NULL when nobody was authenticated"
as_user = "whom they impersonated"
what = "what was asked, in words; ends with 'which may include ...' for a collection"
result = "what came of it, in words; begins with 'dry run' when nothing was to change"
source_ip = "address that no client can forge"
client_ip = "first recorded address, as claimed"
user_agent = "program, as claimed"
message = "the apiserver's words, when it failed"
request_uri = "path and query as sent"
outcome = "success, denied_authz, not_found, ..."
cluster = "where"
audit_id = "for auditql show"
*/
with steps as not materialized (
  select * from incident_steps
  where not :notable
    or impersonated_user is not null
    or resource = 'secrets'
    or subresource in ('exec', 'attach', 'portforward', 'proxy', 'token')
    or outcome not in ('success', 'pending')
    or (verb not in ('get', 'list', 'watch', 'head', 'options') and resource is not null
      and resource not glob '*accessreviews' and resource <> 'selfsubjectrulesreviews')
), step as materialized (
  select
    id, time, arrived, user, impersonated_user, verb, resource, subresource, namespace, object, at,
    outcome, dry_run, message, request_uri, source_ip, client_ip, user_agent, role_ref, subjects,
    pod_security, command, cluster, audit_id, 0 as collection
  from steps
  where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
    and user match :user
    and source_ips match :source_ip
    and resource match :resource
    and namespace match :namespace
    and name match :name
    and audit_id match :audit_id
  union all
  select
    id, time, arrived, user, impersonated_user, verb, resource, subresource, namespace, object, at,
    outcome, dry_run, message, request_uri, source_ip, client_ip, user_agent, role_ref, subjects,
    pod_security, command, cluster, audit_id, 0
  from steps
  where :user not glob '!*'
    and impersonated_user match :user
    and source_ips match :source_ip
    and resource match :resource
    and namespace match :namespace
    and name match :name
    and audit_id match :audit_id
    and id not in (
      select id from events
      where impersonated_user match :user and user match :user
        and time >= :since and time < :until)
  union all
  -- What names no object may have held the one that was asked for.
  select
    id, time, arrived, user, impersonated_user, verb, resource, subresource, namespace, object, at,
    outcome, dry_run, message, request_uri, source_ip, client_ip, user_agent, role_ref, subjects,
    pod_security, command, cluster, audit_id, 1
  from steps
  where :name is not null and :resource is not null and :name not glob '*!*'
    and name is null and subresource is null
    and verb in ('deletecollection', 'list', 'watch')
    and case when verb = 'deletecollection' then 1
      else resource = 'secrets' and api_group is null end
    and (:user is null or id in (select id from incident_nameless))
    and source_ips match :source_ip
    and resource match :resource
    and namespace match :namespace
    and audit_id match :audit_id
  union all
  select
    id, time, arrived, user, impersonated_user, verb, resource, subresource, namespace, object, at,
    outcome, dry_run, message, request_uri, source_ip, client_ip, user_agent, role_ref, subjects,
    pod_security, command, cluster, audit_id, 1
  from steps
  where :resource is not null and :namespace is not null
    and ifnull(:name, '') not glob '*!*' and :namespace not glob '*!*'
    and resource = 'secrets' and api_group is null and verb in ('list', 'watch')
    and name is null and namespace is null and subresource is null
    and (:user is null or id in (select id from incident_nameless))
    and source_ips match :source_ip
    and resource match :resource
    and audit_id match :audit_id
  -- One more than an answer has.
  order by time limit 20001
)
select
  arrived as time, user, impersonated_user as as_user,
  case
    when resource is null then upper(verb) || ' ' || at
    when resource in ('selfsubjectrulesreviews', 'selfsubjectaccessreviews')
      then 'ask what it may do itself'
    when subresource = 'token' and verb = 'create'
      then 'mint a token for service account ' || ifnull(namespace || '/', '') || ifnull(object, '')
    when subresource = 'exec' then 'run in pod ' || ifnull(namespace || '/', '') || ifnull(object, '')
      || ifnull(': ' || (select group_concat(value, ' ') from json_each(command)), '')
    when subresource = 'attach'
      then 'attach to pod ' || ifnull(namespace || '/', '') || ifnull(object, '')
    when subresource = 'portforward'
      then 'forward ports of pod ' || ifnull(namespace || '/', '') || ifnull(object, '')
    when role_ref is not null and verb in ('create', 'update', 'patch') then
      'bind ' || ifnull((select group_concat(value, ', ') from json_each(subjects)), 'nobody')
      || ' to ' || role_ref || ' by ' || resource || ' ' || ifnull(namespace || '/', '')
      || ifnull(object, '')
    else
      case verb
        when 'get' then 'read' when 'update' then 'replace' when 'patch' then 'change'
        when 'deletecollection' then 'delete all' else verb
      end
      || ' ' || resource || ifnull('/' || subresource, '')
      || case
        when object is not null then ' ' || ifnull(nullif(namespace, object) || '/', '') || object
        when namespace is not null then ' in namespace ' || namespace
        when verb in ('list', 'watch', 'deletecollection') then ' cluster-wide'
        else ''
      end
      || ifnull(' (' || (select group_concat(value, ', ') from json_each(pod_security)) || ')', '')
      || iif(collection,
        ', which may include ' || ifnull(:name, 'those of namespace ' || :namespace), '')
  end as what,
  iif(dry_run = 1, 'dry run: ', '') || case
    when outcome = 'success' then iif(dry_run = 1, 'nothing changed', 'done')
    when outcome = 'upgraded' then 'connected'
    when outcome = 'denied_authz' and message glob '* cannot impersonate*'
      then 'refused: may not impersonate'
    when outcome = 'denied_authz' then 'refused: not authorized'
    when outcome = 'denied_authn' then 'refused: not authenticated'
    when outcome = 'denied_admission' then 'refused by admission'
    when outcome = 'denied_escalation' then 'refused: more rights than its own'
    when outcome glob 'denied*' then 'refused'
    when outcome = 'not_found' then 'not found'
    when outcome = 'pending' then 'no answer recorded'
    when outcome = 'panic' then 'broken off'
    else 'failed: ' || replace(outcome, '_', ' ')
  end as result,
  source_ip, client_ip, user_agent, message, request_uri, outcome, cluster,
  audit_id
from step
order by arrived, id
