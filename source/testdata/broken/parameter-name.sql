/*---
source: shop
parameters:
  From: {type: date}
  user: {type: text}
  from-day: {type: date}
---*/
SELECT id FROM orders ORDER BY id
