/*
title = "Which changes did people make by hand, outside of GitOps"
group = "change"
answers = "One row per write by a person, newest first: not by a service account, node or component of the cluster, and not by a program or field manager of a GitOps tool. The three lists are parameters."
cannot_see = "Who stands behind a shared account, or a user agent that claims to be a GitOps tool: clients choose theirs. Field managers that stand only in the object and not in the request's query. Calls that the audit policy left out."
level = "Metadata"
tags = ["pci-dss:10.2.1.7", "attack:T1078"]

[params]
people = { type = "words", default = "!system:serviceaccount:*,!system:node:*,!system:bootstrap:*,!system:kube-*,!system:apiserver,!kube-*", help = "Users that count as people" }
agents = { type = "words", default = "!argocd*,!flux*,!helm-controller*,!kustomize-controller*,!source-controller*,!fleet*", help = "User agents that count as a person's" }
managers = { type = "words", default = "!argocd*,!flux*,!helm-controller*,!kustomize-controller*,!fleet*", help = "Field managers that count as a person's" }

[columns]
time = "when the request ended"
user = "who asked"
as_user = "whom they impersonated"
verb = "what was asked"
resource = "resource"
subresource = "its subresource"
namespace = "its namespace"
name = "its name"
field_manager = "field manager that the request's query names"
outcome = "success, denied_authz, conflict, ..."
source_ip = "address that no client can forge"
user_agent = "program, as claimed"
cluster = "where"
audit_id = "for auditql show"
*/
select
  time, user, impersonated_user as as_user, verb, resource, subresource, namespace, name,
  field_manager, outcome, source_ip, user_agent, cluster, audit_id
from events
where verb in ('create', 'update', 'patch', 'delete', 'deletecollection')
  and stage in ('ResponseComplete', 'Panic')
  -- SQLite tests this on what is left: a table takes at most 16 conditions with match among them.
  and +dry_run = 0
  -- Questions put to the apiserver and sessions are creates that change nothing.
  and resource match '!selfsubject*,!subjectaccessreviews,!localsubjectaccessreviews,!tokenreviews'
  and subresource match '!exec,!attach,!portforward,!proxy,!log,!token'
  and user match :people
  and user_agent match :agents
  and field_manager match :managers
  and user match :user
  and cluster match :cluster
  and resource match :resource
  and namespace match :namespace
  and name match :name
  and verb match :verb
  and outcome match :outcome
  and time >= :since and time < :until
order by time desc, id desc
