/*---
source: shop
parameters:
  a: {type: string}
  b: {label: B}
  c: {type: integer}
---*/
SELECT id FROM orders WHERE :a = :b AND id = :c ORDER BY id
