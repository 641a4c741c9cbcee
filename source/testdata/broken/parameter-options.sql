/*---
source: shop
parameters:
  n: {type: int, options: [1, two]}
  r: {type: text, default: XX, options: [EU, {value: US, title: America}]}
---*/
SELECT id FROM orders WHERE id = :n AND region = :r ORDER BY id
