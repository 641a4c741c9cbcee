/*---
source: shop
columns:
  id: {titel: Number, sum: true}
---*/
SELECT id FROM orders ORDER BY id
