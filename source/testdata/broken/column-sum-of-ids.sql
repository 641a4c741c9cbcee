/*---
source: shop
columns:
  id: {as: id, total: sum}
  day: {as: date, total: avg}
---*/
SELECT id, day FROM orders ORDER BY id
