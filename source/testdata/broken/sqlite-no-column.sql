/*---
source: lite
---*/
SELECT id,
  amuont
FROM orders
ORDER BY id
