/*---
source: shop
parameters:
  r:
    type: text
    options: {query: "SELECT region FROM orders WHERE region = :r ORDER BY 1"}
---*/
SELECT id FROM orders WHERE region = :r ORDER BY id
