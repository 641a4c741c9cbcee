/*---
source: shop
parameters:
  r: {type: text, default: [EU, US]}
  s: {type: int, many: true, default: [1, two]}
---*/
SELECT id FROM orders WHERE region = :r AND id IN (:s) ORDER BY id
