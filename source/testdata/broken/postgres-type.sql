/*---
source: shop
parameters:
  n: {type: int}
---*/
SELECT id FROM orders WHERE region = :n ORDER BY id
