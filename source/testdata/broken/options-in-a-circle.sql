/*---
source: shop
parameters:
  r:
    type: text
    options: {query: "SELECT region FROM orders WHERE region = :s ORDER BY 1"}
  s: {type: text, options: {query: "SELECT region FROM orders WHERE region = :r ORDER BY 1"}}
---*/
SELECT id FROM orders WHERE region = :r AND region = :s ORDER BY id
