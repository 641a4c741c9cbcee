/*---
source: shop
parameters:
  period: {type: period}
  day: {type: date}
---*/
SELECT id FROM orders WHERE day BETWEEN :period AND :period.ende
  AND day = :day.start ORDER BY id
