/*---
titel: Orders
source: shop
format: csv
owner: me
---*/
SELECT id FROM orders ORDER BY id
