/*---
source: lite
---*/
SELECT id,
FROM orders
ORDER BY id
