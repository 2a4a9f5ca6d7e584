/*
title = "Who asked for service account tokens, and for which account"
group = "access"
answers = "One row per TokenRequest with who asked, for which service account and the id of the credential that was issued, newest first; credential-use shows where it was used."
cannot_see = "The token itself, and how long it is valid. Tokens in secrets of type service-account-token (see secret-reads)."
level = "Metadata"
tags = ["attack:T1528", "attack:T1098"]

[columns]
time = "when the request ended"
user = "who asked"
as_user = "whom they impersonated"
service_account = "whose token it is, as a user name"
outcome = "success, denied_authz, ..."
issued_credential_id = "id of the credential that was issued"
dry_run = "1 when no token was to be used because of dryRun=All"
credential_id = "id of the credential with which it was asked"
source_ip = "address that no client can forge"
client_ip = "first recorded address, as claimed"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  time, user, impersonated_user as as_user,
  'system:serviceaccount:' || namespace || ':' || name as service_account,
  outcome, issued_credential_id, dry_run, credential_id, source_ip, client_ip, user_agent, cluster,
  audit_id
from events
where verb = 'create'
  and resource = 'serviceaccounts'
  and subresource = 'token'
  and stage in ('ResponseComplete', 'Panic')
  and cluster match :cluster
  and user match :user
  and namespace match :namespace
  and name match :name
  and outcome match :outcome
  and source_ips match :source_ip
  and user_agent match :user_agent
  and time >= :since and time < :until
order by time desc, id desc
