/*---
source: shop
notify: []
---*/
SELECT id FROM orders ORDER BY id
