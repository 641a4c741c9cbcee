/*---
source: shop
parameters:
  region: text
---*/
SELECT id FROM orders WHERE region = :region ORDER BY id
