/*---
source: shop
formats: [xls, csv, json]
---*/
SELECT id FROM orders ORDER BY id
