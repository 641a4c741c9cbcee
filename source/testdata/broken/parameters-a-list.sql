/*---
source: shop
parameters:
  - {name: region, type: text}
---*/
SELECT id FROM orders ORDER BY id
