/*
rows = "An identity that somebody else in the incident created, minted a token for or bound to a role; since when, and how."
tables = ["incident-arming"]
materialized = true
*/
with deeds as materialized (
  select
    time, user, cluster,
    case
      when resource = 'serviceaccounts' then 'system:serviceaccount:' || namespace || ':' || name
      when one.value glob 'User:*' then substr(one.value, 6)
      else 'system:serviceaccount:' || replace(substr(one.value, 16), '/', ':')
    end as identity,
    case
      when resource <> 'serviceaccounts' then 'bound it to ' || role_ref
      when subresource = 'token' then 'minted a token'
      else 'created it'
    end as deed
  from incident_arming
    left join json_each(iif(resource = 'serviceaccounts', null, subjects)) as one
  where iif(resource = 'serviceaccounts',
    subresource is null or subresource = 'token',
    one.value glob 'User:*' or one.value glob 'ServiceAccount:*/*')
)
select
  cluster, cast(identity as text) as identity, min(time) as time,
  json_group_array(distinct deed) as deeds
from deeds
where identity is not user
group by cluster, identity
