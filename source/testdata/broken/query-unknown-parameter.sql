/*---
source: shop
parameters:
  region: {type: text}
---*/
SELECT id FROM orders WHERE region = :region OR region = :regio ORDER BY id
