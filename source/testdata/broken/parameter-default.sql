/*---
source: shop
parameters:
  period: {type: period, default: last_fortnight}
  day: {type: date, default: 2026-02-30}
---*/
SELECT id FROM orders WHERE day >= :period.start AND day <= :day ORDER BY id
