/*
title = "Failed logins: requests whose credential was not accepted (401)"
group = "access"
answers = "One row per address and program with how often it was turned away, the most first. The apiserver records such a request at ResponseStarted only and without a user."
cannot_see = "Which identity was tried: the apiserver does not record it. Requests without any credential become system:anonymous (see anonymous-calls). Failed logins at an identity provider or a proxy in front."
level = "Metadata"
tags = ["pci-dss:10.2.1.4", "attack:T1110"]

[columns]
source_ip = "address that no client can forge"
client_ip = "first recorded address, as claimed"
user_agent = "program, as claimed"
attempts = "requests that were turned away"
paths = "how many different paths were asked for"
a_path = "one of them"
first_time = "the first attempt"
last_time = "the last attempt"
cluster = "where"
*/
select
  source_ip, client_ip, user_agent,
  count(distinct coalesce(audit_id, id) || ' ' || coalesce(received_time, id)) as attempts,
  count(distinct path) as paths, min(path) as a_path,
  min(time) as first_time, max(time) as last_time, cluster
from events
where outcome = 'denied_authn'
  and cluster match :cluster
  and source_ips match :source_ip
  and user_agent match :user_agent
  and time >= :since and time < :until
group by cluster, source_ip, client_ip, user_agent
order by attempts desc, last_time desc
