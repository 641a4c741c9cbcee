/*---
source: shop
parameters:
  r:
    type: text
    options: {query: ""}
---*/
SELECT id FROM orders WHERE region = :r ORDER BY id
