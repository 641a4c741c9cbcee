/*---
source: shop
parameters:
  day: {type: date}
file: {day}
---*/
SELECT id FROM orders WHERE day = :day ORDER BY id
