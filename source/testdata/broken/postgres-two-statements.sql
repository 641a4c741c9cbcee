/*---
source: shop
---*/
SELECT id FROM orders ORDER BY id; SELECT 2 AS two
