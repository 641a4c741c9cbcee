/*---
source: shop
parameters:
  r: {type: text, optional: true}
---*/
SELECT id FROM orders
[[ WHERE region = :r
ORDER BY id
