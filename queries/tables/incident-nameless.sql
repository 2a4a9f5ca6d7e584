/*
rows = "Lists, watches and deletions of collections by the user of an incident or in their name, which name no object and may have held the one asked for."
materialized = true
*/
select id from events
where user match :user and name is null and verb in ('deletecollection', 'list', 'watch')
  and :user is not null and :resource is not null and cluster match :cluster
  and resource match :resource
  and time >= :since and time < :until
union
select id from events
where impersonated_user match :user and name is null
  and verb in ('deletecollection', 'list', 'watch')
  and :user not glob '!*' and :resource is not null and cluster match :cluster
  and resource match :resource
  and time >= :since and time < :until
