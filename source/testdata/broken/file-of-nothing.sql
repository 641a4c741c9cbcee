/*---
source: shop
file: "orders-{period}"
---*/
SELECT id FROM orders ORDER BY id
