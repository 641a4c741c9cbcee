/*---
source: shop
---*/
SELECT count(*), sum(amount), sum(price) FROM orders
