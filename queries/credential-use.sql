/*
title = "Where minted service account tokens were used"
group = "access"
answers = "One row per credential that a TokenRequest issued and address that used it: calls, programs, first and last use, the latest mint first. elsewhere marks use from another address than that which asked for it."
cannot_see = "Credentials that were not issued by a recorded TokenRequest, and use before Kubernetes 1.30, where ids are not recorded. A pod's own token is asked for by its node, so elsewhere is usual there; leave these out with --user '!system:node:*'."
level = "Metadata"
tags = ["attack:T1528", "attack:T1550.001"]
since = "1d"

[params]
credential = { type = "words", help = "Id of an issued credential: JTI=83aea96d-d877-41aa-8cc5-3efe3036b1e8" }

[columns]
issued_credential_id = "id of the credential"
service_account = "whose token it is"
minted_by = "who asked for it"
minted_as = "whom they impersonated"
minted_time = "when"
minted_from = "from which address, as claimed"
used_from = "address of use, as claimed; NULL when no use was recorded"
elsewhere = "1 when that is another address than minted_from"
source_ip = "address of use that no client can forge"
used_as = "user that the calls were made as"
calls = "calls with it from this address"
denied = "of these, refused"
first_used = "the first"
last_used = "the last"
user_agents = "programs, as claimed, a JSON array"
cluster = "where"
*/
with
minted as materialized (
  select
    cluster, issued_credential_id, 'system:serviceaccount:' || namespace || ':' || name as account,
    user, impersonated_user, time, client_ip, source_ip
  from events
  where verb = 'create'
    and resource = 'serviceaccounts'
    and subresource = 'token'
    and stage = 'ResponseComplete'
    and issued_credential_id is not null
    and issued_credential_id match :credential
    and cluster match :cluster
    and user match :user
    and namespace match :namespace
    and name match :name
    and time >= :since and time < :until
),
used as materialized (
  select
    cluster, credential_id, user, client_ip, source_ip,
    count(distinct coalesce(audit_id, id) || ' ' || coalesce(received_time, id)) as calls,
    count(distinct case when outcome glob 'denied*' then audit_id || received_time end) as denied,
    min(time) as first_used, max(time) as last_used,
    json_group_array(distinct user_agent) filter (where user_agent is not null) as user_agents
  from events
  where credential_id in (select issued_credential_id from minted)
    and cluster match :cluster
    and time >= :since and time < :until
  group by cluster, credential_id, user, client_ip, source_ip
)
select
  minted.issued_credential_id, minted.account as service_account, minted.user as minted_by,
  minted.impersonated_user as minted_as, minted.time as minted_time,
  minted.client_ip as minted_from, used.client_ip as used_from,
  case when used.calls > 0
    then used.client_ip is not minted.client_ip or used.source_ip is not minted.source_ip
  end as elsewhere,
  used.source_ip, used.user as used_as, coalesce(used.calls, 0) as calls,
  coalesce(used.denied, 0) as denied, used.first_used, used.last_used, used.user_agents,
  minted.cluster
from minted
left join used
  on used.credential_id = minted.issued_credential_id and used.cluster = minted.cluster
order by minted_time desc, first_used
