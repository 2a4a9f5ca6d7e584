/*
rows = "What is known of failures of logging; whether somebody was told, no event shows."
tables = ["silence"]
*/
select
  'not enough data' as verdict,
  case
    when gaps > 0 then told || '; whether somebody was told cannot be seen'
    when not heard then 'no event in the time range'
    when gone > 0 then format('retention removed %,d events around this time range', gone)
    else format(
      'events in every whole hour since the first (%,d of %,d hours of the time range); whether somebody would be told if they stopped cannot be seen',
      hours, asked
    )
  end as why
from silence
