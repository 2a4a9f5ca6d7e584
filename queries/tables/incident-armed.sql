/*
rows = "An identity that the incident created, minted a token for or bound to a role; since when, and how."
tables = ["incident-arming"]
materialized = true
*/
with deeds as materialized (
  select
    time, user, cluster, 'system:serviceaccount:' || namespace || ':' || name as identity,
    iif(subresource = 'token', 'minted a token', 'created it') as deed
  from incident_arming
  where resource = 'serviceaccounts' and verb = 'create'
    and (subresource is null or subresource = 'token')
  union all
  select
    time, user, cluster,
    iif(one.value glob 'User:*', substr(one.value, 6),
      'system:serviceaccount:' || replace(substr(one.value, 16), '/', ':')),
    'bound it to ' || role_ref
  from incident_arming join json_each(subjects) as one
  where resource <> 'serviceaccounts'
    and (one.value glob 'User:*' or one.value glob 'ServiceAccount:*/*')
)
select
  cluster, cast(identity as text) as identity, min(time) as time,
  json_group_array(distinct deed) as deeds
from deeds
where identity not in (select user from deeds where user is not null)
group by cluster, identity
