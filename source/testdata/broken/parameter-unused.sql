/*---
source: shop
parameters:
  region: {type: text, optional: true}
---*/
SELECT id FROM orders ORDER BY id
