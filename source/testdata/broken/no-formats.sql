/*---
source: shop
formats: []
---*/
SELECT id FROM orders ORDER BY id
