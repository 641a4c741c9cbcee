/*---
source: shop
formats: [csv
---*/
SELECT id FROM orders ORDER BY id
