/*
title = "Which credentials an incident minted, and where they were used"
group = "incident"
answers = "One row per service account token, certificate request or approval, or secret of a token's type that an identity asked for and got, and address that used the token since; tokens nobody used have one row."
cannot_see = "Where a certificate or the token in a secret was used: only tokens of recorded TokenRequests have an id that their use repeats (Kubernetes 1.30 and later). Types of secrets below level Request. How long a credential is valid. More than the first 20,000 of them; of secrets only the first 20,000 that were written are looked at."
level = "Metadata"
tags = ["attack:T1528", "attack:T1550.001", "attack:T1649"]
most = 20000
one_of = ["user", "source_ip", "resource", "namespace", "name", "audit_id"]
tables = ["incident-events"]

[params.user]
help = "User, as authenticated or as impersonated"

[columns]
time = "when it was minted"
kind = "token, certificate request, certificate approval or token secret"
minted_by = "who asked for it"
minted_as = "whom they impersonated"
credential_of = "user name of the service account, or the certificate request's or the secret's name"
issued_credential_id = "id of the token"
used_as = "user that calls with it were made as; NULL when no use was recorded"
used_from = "address of use, as claimed"
source_ip = "address of use that no client can forge"
elsewhere = "1 when that is another address than that which asked for it"
calls = "calls with it from this address"
denied = "of these, refused"
first_used = "the first"
last_used = "the last"
user_agents = { json = "programs, as claimed, a JSON array" }
cluster = "where"
audit_id = "of the request that minted it, for auditql show"
*/
with asked as not materialized (
  select
    id, time, user, impersonated_user, verb, resource, subresource, namespace, name,
    issued_credential_id, source_ip, client_ip, cluster, audit_id, level, request_object,
    response_object
  from incident_events
  where coalesce(:user, :source_ip, :resource, :namespace, :name, :audit_id) is not null
    and verb in ('create', 'update', 'patch')
    and outcome = 'success' and dry_run = 0
    and stage in ('ResponseComplete', 'Panic')
    and user match :user
  union all
  select
    id, time, user, impersonated_user, verb, resource, subresource, namespace, name,
    issued_credential_id, source_ip, client_ip, cluster, audit_id, level, request_object,
    response_object
  from incident_events
  where :user not glob '!*'
    and verb in ('create', 'update', 'patch')
    and outcome = 'success' and dry_run = 0
    and stage in ('ResponseComplete', 'Panic')
    and impersonated_user match :user
    and id not in (
      select id from events
      where impersonated_user match :user and user match :user
        and time >= :since and time < :until)
), tokens as (
  select
    id, time, 'token' as kind, user, impersonated_user, namespace, name, issued_credential_id,
    source_ip, client_ip, cluster, audit_id
  from asked
  where resource = 'serviceaccounts' and subresource = 'token' and verb = 'create'
  order by time limit 20001
), certificates as (
  select
    id, time, iif(verb = 'create', 'certificate request', 'certificate approval') as kind, user,
    impersonated_user, namespace, name, issued_credential_id, source_ip, client_ip, cluster, audit_id
  from asked
  where resource = 'certificatesigningrequests'
    and (verb = 'create' or subresource = 'approval')
  order by time limit 20001
), written as (
  select
    id, time, iif(level <> 'Metadata',
      coalesce(request_object ->> '$.type', response_object ->> '$.type'), null) as type, user,
    impersonated_user, namespace, name, issued_credential_id, source_ip, client_ip, cluster, audit_id
  from asked
  where resource = 'secrets'
  order by time limit 20001
), minted as materialized (
  select * from tokens
  union all
  select * from certificates
  union all
  select
    id, time, 'token secret', user, impersonated_user, namespace, name, issued_credential_id,
    source_ip, client_ip, cluster, audit_id
  from written
  where type in ('kubernetes.io/service-account-token', 'bootstrap.kubernetes.io/token')
), used as materialized (
  select
    cluster, credential_id, user, client_ip, source_ip,
    count(distinct audit_id || ifnull(received_time, id) || request_uri) as calls,
    count(distinct audit_id || ifnull(received_time, id) || request_uri) filter (
      where outcome glob 'denied*') as denied,
    min(time) as first_used, max(time) as last_used,
    json_group_array(distinct user_agent) filter (where user_agent is not null) as user_agents
  from events
  where credential_id in (
      select issued_credential_id from minted where issued_credential_id is not null)
    and cluster match :cluster
    and time >= :since and time < :until
  group by cluster, credential_id, user, client_ip, source_ip
)
select
  minted.time, kind, minted.user as minted_by, minted.impersonated_user as minted_as,
  case kind
    when 'token' then 'system:serviceaccount:' || minted.namespace || ':' || minted.name
    else ifnull(minted.namespace || '/', '') || ifnull(minted.name, '')
  end as credential_of,
  minted.issued_credential_id, used.user as used_as, used.client_ip as used_from, used.source_ip,
  iif(used.calls > 0,
    used.client_ip is not minted.client_ip or used.source_ip is not minted.source_ip, null
  ) as elsewhere,
  iif(kind = 'token', ifnull(used.calls, 0), null) as calls,
  iif(kind = 'token', ifnull(used.denied, 0), null) as denied,
  used.first_used, used.last_used, used.user_agents, minted.cluster, minted.audit_id
from minted left join used
  on used.credential_id = minted.issued_credential_id and used.cluster = minted.cluster
order by minted.time, minted.id, used.first_used
