/*---
source: shop
parameters:
  r:
    type: text
    options: {query: "SELECT regoin FROM orders ORDER BY 1"}
---*/
SELECT id FROM orders WHERE region = :r ORDER BY id
