/*---
source: shop
parameters:
  r:
    type: text
    options: {querry: SELECT 1}
---*/
SELECT id FROM orders WHERE region = :r ORDER BY id
