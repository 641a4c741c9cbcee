/*---
source: shop
---*/
SELECT id,
  amuont
FROM orders
ORDER BY id
