/*---
source: shop
csv: {decimal: ","}
---*/
SELECT id FROM orders ORDER BY id
