/*---
source: shop
allow: sales
---*/
SELECT id FROM orders ORDER BY id
