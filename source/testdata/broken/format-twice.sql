/*---
source: shop
formats: [csv, xlsx, csv]
---*/
SELECT id FROM orders ORDER BY id
