/*---
source: shop
parameters:
  r:
    type: text
    options: {query: "SELECT id, region, day FROM orders ORDER BY id"}
---*/
SELECT id FROM orders WHERE region = :r ORDER BY id
