/*
rows = "The verdict on whether beginning, stop and pause of the audit log are recorded. The apiserver records none of them, so that none is seen does not show that one would be recorded."
tables = ["silence"]
*/
select
  iif(gaps > 0, 'not met', 'not enough data') as verdict,
  case
    when gaps > 0 then told || '; that events are missing is known, but nothing recorded says who or what stopped them'
    when not heard then 'no event in the time range'
    when gone > 0 then format('retention removed %,d events around this time range', gone)
    else format(
      'no gap is seen: events in every whole hour since the first (%,d of %,d hours of the time range); but the apiserver does not record when its audit log begins, stops or pauses, so a stop would show by missing events only',
      hours, asked
    )
  end as why
from silence
