/*---
source: shop
file: a/*b
---*/
SELECT id FROM orders ORDER BY id
