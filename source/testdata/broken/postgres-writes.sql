/*---
source: shop
---*/
DELETE FROM orders
